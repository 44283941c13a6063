# sh: cat BUILD && ls -A && ls -d /usr/local/lib/python3.12/site-packages/*
