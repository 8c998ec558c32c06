# embed.cmake - turns files, one behind the other, into a C array, at build time:
# cmake "-DIN=x.cl;y.cl" -DOUT=z.c -DNAME=n -P
# An array of bytes has no limit on its length, where a string literal has one of 4095 characters
# that a compiler must take.
set(hex "")
set(names "")
foreach(file ${IN})
    file(READ ${file} more HEX)
    string(APPEND hex ${more})
    get_filename_component(name ${file} NAME)
    list(APPEND names ${name})
endforeach()
string(JOIN " and " names ${names})
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REPEAT "....." 16 line) # sixteen bytes of five characters
string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
file(WRITE ${OUT} "/* ${names} as bytes; made by opencl/embed.cmake. */
#include \"opencl/program.h\"

const unsigned char ${NAME}[] = {
    ${bytes}};
const size_t ${NAME}_bytes = sizeof ${NAME};
")
