#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include "config.h"

int main(int count, char **words)
{
	char place[256] = "";
	mode_t mask = umask(0);

	if (count > 1 && strcmp(words[1], "--version") == 0) {
		printf("keeper %s\n", VERSION);
		return 0;
	}
	getcwd(place, sizeof place);
	printf("keeper %s in %s, uid %d, umask %04o, protected %d\n", VERSION, place, (int)getuid(), (unsigned)mask, PROTECTED);
	return 0;
}
