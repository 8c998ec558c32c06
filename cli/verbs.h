/* verbs.h - the verbs of the tool, one entry point each.
 *
 * argv[0] is the name of the verb; what is returned is a tool_exit of options.h, which becomes the
 * exit code of the process. The table of names and summaries is in kith.c.
 */
#ifndef VERBS_H
#define VERBS_H

int backup_main(int argc, char **argv);
int bench_main(int argc, char **argv);
int build_main(int argc, char **argv);
int check_main(int argc, char **argv);
int compact_main(int argc, char **argv);
int data_main(int argc, char **argv);
int del_main(int argc, char **argv);
int devices_main(int argc, char **argv);
int export_main(int argc, char **argv);
int get_main(int argc, char **argv);
int import_main(int argc, char **argv);
int kernels_main(int argc, char **argv);
int put_main(int argc, char **argv);
int report_main(int argc, char **argv);
int scan_main(int argc, char **argv);
int search_main(int argc, char **argv);
int stat_main(int argc, char **argv);
int tune_main(int argc, char **argv);

#endif
