# embed.cmake - turns a file into a C array, at build time: cmake -DIN=x.cl -DOUT=y.c -DNAME=n -P
# An array of bytes has no limit on its length, where a string literal has one of 4095 characters
# that a compiler must take.
file(READ ${IN} hex HEX)
string(REGEX REPLACE "([0-9a-f][0-9a-f])" "0x\\1," bytes "${hex}")
string(REPEAT "....." 16 line) # sixteen bytes of five characters
string(REGEX REPLACE "(${line})" "\\1\n    " bytes "${bytes}")
get_filename_component(name_of_file ${IN} NAME)
file(WRITE ${OUT} "/* ${name_of_file} as bytes; made by opencl/embed.cmake. */
#include \"opencl/program.h\"

const unsigned char ${NAME}[] = {
    ${bytes}};
const size_t ${NAME}_bytes = sizeof ${NAME};
")
