/* data.h - the verbs under `kith data`, one entry point each; private to the data*.c files.
 *
 * Each has the shape of a verb: argv[0] is its name, and it returns a tool_exit. ls and info only
 * look and live in data.c; the others write and live in data_write.c.
 */
#ifndef DATA_H
#define DATA_H

int data_ls_main(int argc, char **argv);
int data_info_main(int argc, char **argv);
int data_get_main(int argc, char **argv);
int data_truth_main(int argc, char **argv);
int data_convert_main(int argc, char **argv);

#endif
