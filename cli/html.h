/* html.h - text that goes into a page, made harmless.
 */
#ifndef HTML_H
#define HTML_H

#include <jansson.h>
#include <stdio.h>

/* Writes text with & < > " ' spelled as entities: right between tags and inside quotes. NULL
 * writes nothing. */
void html_text(FILE *out, const char *text);

/* printf, then html_text. Texts beyond 1 KiB are cut. */
void html_print(FILE *out, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* JSON for a <script> element: no "<" in it can end the element early. False without memory. */
int html_json(FILE *out, const json_t *value);

#endif
