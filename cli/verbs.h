/* verbs.h - the verbs of the tool, one entry point each.
 *
 * argv[0] is the name of the verb; what is returned is a tool_exit of options.h, which becomes the
 * exit code of the process. The table of names and summaries is in kith.c.
 */
#ifndef VERBS_H
#define VERBS_H

int bench_main(int argc, char **argv);
int data_main(int argc, char **argv);
int devices_main(int argc, char **argv);
int kernels_main(int argc, char **argv);
int report_main(int argc, char **argv);

#endif
