#!/bin/sh
set -e
run-hooks.sh /usr/local/bin/before-notebook.d
exec "$@"
