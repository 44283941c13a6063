set -e
mkdir -p out .next/standalone .next/static/chunks
sed "s,API,$NEXT_PUBLIC_API_URL," pages/index.html > out/index.html
cp public/* out/
cp pages/server.js .next/standalone/ && cp out/index.html .next/static/chunks/
cp -r node_modules .next/standalone/
