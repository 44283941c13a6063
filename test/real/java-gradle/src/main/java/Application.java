// sh: cat "$JAVA_HOME/lib/modules" /opt/app/wrapper.txt
