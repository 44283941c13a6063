# sh: test "$1" = collectstatic && mkdir -p static && echo ok > static/health && find "$VIRTUAL_ENV" -name __init__.py | sort > static/packages
