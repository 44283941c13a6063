#define PROTECTED 1
