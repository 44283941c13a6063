#!/bin/sh
# Makes a checkout ready for `npm run demo`, `npm test` or `npm run bench`: libraries, bundle, and the Debian packages whose programs are used.
# Says nothing when there is nothing to do.
set -eu

purpose=${1:-}
cd "$(dirname "$0")/.."

case $purpose in
  demo) wanted='runc:runc busybox:busybox-static' ;;
  bench)
    wanted='runc:runc busybox:busybox-static buildah:buildah skopeo:skopeo umoci:umoci mmdebstrap:mmdebstrap pigz:pigz openssl:openssl time:time
      docker-registry:docker-registry curl:curl'
    ;;
  test)
    wanted='runc:runc busybox:busybox-static skopeo:skopeo umoci:umoci buildah:buildah crun:crun mmdebstrap:mmdebstrap
      tinyproxy:tinyproxy git:git ssh-agent:openssh-client qemu-aarch64-static:qemu-user-static xz:xz-utils bzip2:bzip2 zstd:zstd pigz:pigz setcap:libcap2-bin setfattr:attr jq:jq openssl:openssl python3:python3
      docker-registry:docker-registry nginx:nginx-light htpasswd:apache2-utils curl:curl'
    ;;
  *)
    echo "usage: .ci/setup.sh demo|test|bench" >&2
    exit 2
    ;;
esac

# Programs of administrators are not on everyone's path.
PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
missing=
for pair in $wanted; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing="$missing ${pair#*:}"
done

if [ -n "$missing" ]; then
  if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "missing programs; install these packages (their Debian names) and try again:$missing" >&2
    exit 1
  fi
  echo "installing:$missing" >&2
  # Debian starts a registry and a web server for the world as soon as they are installed, and fails where it cannot: policy-rc.d forbids it.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
  fi
  # shellcheck disable=SC2086 # a list of words
  log=$(mktemp)
  if ! { apt-get -qq update && DEBIAN_FRONTEND=noninteractive apt-get -qq install -y --no-install-recommends $missing; } >"$log" 2>&1; then
    tail -n 20 "$log" >&2
    echo "apt-get failed; install by hand:$missing" >&2
    exit 1
  fi
  rm -f "$log"
fi

# npm writes .package-lock.json last: an older one means that package-lock.json has changed since.
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
  echo 'installing libraries: npm ci' >&2
  npm ci --silent --no-audit --no-fund
  touch node_modules/.package-lock.json
fi

node .ci/build.js
