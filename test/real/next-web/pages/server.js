// sh: id -u; id -g; exec ls -ld .next .next/static server.js public/robots.txt
