#include "cli/command_line.hpp"

int main(int count, char** words) { return lighterman::cli::main_of(count, words); }
