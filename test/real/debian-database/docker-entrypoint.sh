#!/usr/bin/env bash
set -Eeo pipefail

if [ "$1" = 'database' ] && [ "$(id -u)" = '0' ]; then
	mkdir -p "$DATA"
	chown -R database:database "$DATA"
	chmod 700 "$DATA"
	exec gosu database "$BASH_SOURCE" "$@"
fi

if [ "$1" = 'database' ]; then
	for file in /docker-entrypoint-initdb.d/*.sql; do
		cat "$file" >> "$DATA/tables"
	done
	trap 'echo "fast shutdown"; exit 0' INT
	echo "ready as $(id -un) in $(stat -c '%U %a' "$DATA") with $(wc -l < "$DATA/tables") statements"
	while sleep 0.1; do :; done
fi

exec "$@"
