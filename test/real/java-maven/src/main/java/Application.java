// sh: cat BOOT-INF/classes/application.properties; ls BOOT-INF/lib; id -un
