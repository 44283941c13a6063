#!/bin/sh
for hook in "${1:-/usr/local/bin/before-notebook.d}"/*.sh; do
    . "$hook"
done
