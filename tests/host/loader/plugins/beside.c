/* The library that the plugin `dependent` uses. */
int loader_test_first(void);
int loader_test_second(void);

int loader_test_first(void) { return 40; }
int loader_test_second(void) { return 2; }
