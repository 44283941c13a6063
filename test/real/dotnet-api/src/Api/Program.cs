// sh: ls; echo "listening on $ASPNETCORE_HTTP_PORTS as $(id -un)"
