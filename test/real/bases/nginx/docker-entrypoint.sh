#!/bin/sh
# Variables of the environment go into the templates.
set -e
for template in /etc/nginx/templates/*.template; do
  [ -f "$template" ] || continue
  name=${template##*/}
  eval "echo \"$(sed 's/"/\\"/g; s/\$\([a-z]\)/\\$\1/g' "$template")\"" > "/etc/nginx/conf.d/${name%.template}"
done
for script in /docker-entrypoint.d/*.sh; do
  [ -x "$script" ] && "$script"
done
exec "$@"
