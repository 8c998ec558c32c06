# opencl_rules.awk - prints one line for each breach of the rules of test_opencl_rules.sh in the
# file given, an OpenCL program before or behind its preprocessor; prints nothing for a good one.
#
# The one idea: tokens, the depth of braces, and the loops around a token are enough. A function
# that calls one with a barrier holds a barrier; names say what depends on the work-item: those
# set from get_local_id or get_global_id in the function, and a parameter that is called item.

# Comments, preprocessor lines and strings hold no code.
{
    line = $0
    if (continued || line ~ /^[ \t]*#/) {
        continued = (line ~ /\\$/)
        if (line ~ /^[ \t]*#[ \t]*define/ && line ~ /barrier[ \t]*\(/) {
            name = line
            sub(/^[ \t]*#[ \t]*define[ \t]+/, "", name)
            sub(/[^A-Za-z0-9_].*/, "", name)
            carries[name] = 1
        }
        line = ""
    }
    text = text line "\n"
}

END {
    carries["barrier"] = 1
    carries["work_group_barrier"] = 1
    while ((at = index(text, "/*")) > 0) {
        rest = substr(text, at + 2)
        text = substr(text, 1, at - 1) " " substr(rest, index(rest, "*/") + 2)
    }
    gsub(/\/\/[^\n]*/, "", text)
    lines = split(text, row, "\n")
    for (i = 1; i <= lines; i++) {
        while (match(row[i], /[A-Za-z_][A-Za-z0-9_]*|[0-9][A-Za-z0-9_.]*|&&|\|\||[^ \t]/)) {
            token[++count] = substr(row[i], RSTART, RLENGTH)
            row[i] = substr(row[i], RSTART + RLENGTH)
        }
    }
    # A function that calls one with a barrier holds a barrier: repeat until nothing is new.
    do {
        new = 0
        walk(0)
    } while (new)
    walk(1)
}

function breach(what)
{
    if (report)
        print function_name ": " what
}

function open_loop(kind_of_it)
{
    loops++
    loop_kind[loops] = kind_of_it
    loop_depth[loops] = depth
    loop_paren[loops] = paren
    in_header[loops] = 1
    of_item[loops] = left[loops] = held[loops] = 0
}

# A statement ended at this depth: so did the loops whose body it was.
function close_loops()
{
    while (loops > 0 && !in_header[loops] && loop_depth[loops] >= depth) {
        if (held[loops] && left[loops])
            breach("a break or continue in a loop with a barrier")
        if (held[loops] && of_item[loops])
            breach("a loop with a barrier that depends on the work-item")
        loops--
    }
}

# The innermost loop that a break or a continue ends.
function leave(t,   l)
{
    for (l = loops; l > 0 && (t == "continue" && loop_kind[l] == "switch"); l--)
        ;
    if (l > 0 && loop_kind[l] != "switch")
        left[l] = 1
}

# A barrier, or a call of what holds one.
function barrier_at(t,   l)
{
    if (!carries[function_name]) {
        carries[function_name] = 1
        new = 1
    }
    if (kind[depth] || bare || expect == 2)
        breach(t " under a condition")
    if (choice)
        breach(t " behind ?, && or ||")
    for (l = loops; l > 0; l--) {
        held[l] = 1
        if (in_header[l])
            breach(t " in the head of a loop")
    }
}

# Names that a statement sets from the number of the work-item.
function taint(i,   from, j, name)
{
    for (from = i; from > 1 && token[from - 1] !~ /^[;{}]$/; from--)
        ;
    for (j = from; j < i && token[j] != "="; j++)
        ;
    name = token[j - 1]
    if (name !~ /^[A-Za-z_]/) # the first half of +=, or the end of x[i]
        name = token[j - 2]
    for (; j < i && name ~ /^[A-Za-z_]/; j++)
        if (token[j] == "get_local_id" || token[j] == "get_global_id" || of_items[token[j]])
            of_items[name] = 1
}

# Walks the tokens once. kind[d] is 1 when block d, or one around it, is conditional; bare is 1 in
# the single statement of an if without braces; expect is 1 before a condition, 2 behind it.
function walk(reports,   i, t)
{
    report = reports
    depth = paren = bare = expect = kernel = sized = loops = choice = 0
    kind[0] = 0
    for (i = 1; i <= count; i++) {
        t = token[i]
        if (t == "(") {
            paren++
            if (depth == 0 && paren == 1 && token[i - 1] != "__attribute__")
                function_name = token[i - 1]
        } else if (t == ")") {
            paren--
            if (loops > 0 && in_header[loops] && paren == loop_paren[loops])
                in_header[loops] = choice = 0
            if (paren == 0 && expect == 1)
                expect = 2
        } else if (t == "{") {
            depth++
            kind[depth] = kind[depth - 1] || bare || expect == 2
            if (depth == 1 && kernel && !sized)
                breach("a kernel without reqd_work_group_size")
            if (depth == 1) {
                split("", of_items)
                of_items["item"] = 1
            }
            expect = bare = choice = 0
            continue
        } else if (t == "}") {
            depth--
            choice = 0
            close_loops()
            if (depth == 0)
                kernel = sized = 0
        } else if (t == ";" && (paren == 0 || (loops > 0 && in_header[loops]))) {
            choice = 0
            if (paren == 0) {
                taint(i)
                bare = 0
                close_loops()
                if (depth == 0)
                    kernel = sized = 0
            }
        } else if (t == "if" || t == "switch") {
            expect = 1
            if (t == "switch")
                open_loop(t)
            continue
        } else if (t == "else") {
            expect = 2
            continue
        } else if (t == "for" || t == "while") {
            open_loop(t)
        } else if (t == "do" || t == "goto") {
            breach(t)
        } else if (t == "break" || t == "continue") {
            leave(t)
        } else if (t == "?" || t == "&&" || t == "||") {
            choice = 1
        } else if (t == "__kernel" || t == "kernel") {
            kernel = 1
        } else if (t == "reqd_work_group_size") {
            sized = 1
        } else if (t == "printf") {
            breach("printf")
        } else if (depth > 0 && t == "return" && carries[function_name]) {
            breach("a return in a function with a barrier")
        } else if (depth > 0 && carries[t]) {
            barrier_at(t)
        }
        if (loops > 0 && in_header[loops] &&
            (of_items[t] || t == "get_local_id" || t == "get_global_id"))
            of_item[loops] = 1
        if (expect == 2 && t != ")") {
            bare = 1
            expect = 0
        }
    }
}
