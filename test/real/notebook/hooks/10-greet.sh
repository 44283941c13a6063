echo "hooks of $(id -u):$(id -g) in $PWD"
