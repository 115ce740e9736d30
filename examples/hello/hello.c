#include <stdio.h>

/* Prints its greeting, which is a file of its own so that changing it changes one layer. */
int main(void) {
  char line[256];
  FILE *greeting = fopen("/greeting.txt", "r");
  if (greeting == NULL) {
    perror("/greeting.txt");
    return 1;
  }
  while (fgets(line, sizeof line, greeting) != NULL) fputs(line, stdout);
  return fclose(greeting) == 0 ? 0 : 1;
}
