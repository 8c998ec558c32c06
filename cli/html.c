/* html.c - the only door through which text from outside reaches a page.
 *
 * A result file may come from another machine and name anything: every string of it passes here.
 */
#include "cli/html.h"

#include <stdarg.h>
#include <stdlib.h>

static const char *entity(char c)
{
    switch (c) {
    case '&':
        return "&amp;";
    case '<':
        return "&lt;";
    case '>':
        return "&gt;";
    case '"':
        return "&quot;";
    case '\'':
        return "&#39;";
    default:
        return NULL;
    }
}

void html_text(FILE *out, const char *text)
{
    for (; text && *text; text++) {
        const char *safe = entity(*text);
        if (safe)
            fputs(safe, out);
        else
            putc(*text, out);
    }
}

void html_print(FILE *out, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    html_text(out, text);
}

/* "<" occurs in JSON only inside strings, where its escaped form means the same. */
int html_json(FILE *out, const json_t *value)
{
    char *text = json_dumps(value, JSON_COMPACT | JSON_REAL_PRECISION(9));
    if (!text)
        return 0;
    for (const char *c = text; *c; c++) {
        if (*c == '<')
            fputs("\\u003c", out);
        else
            putc(*c, out);
    }
    free(text);
    return 1;
}
