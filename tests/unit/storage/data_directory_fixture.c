#include "data_directory_fixture.h"

struct data_directory_options directory_options(const struct file_system *files)
{
    return (struct data_directory_options){
        .files = files, .path = "/data", .cluster_id = 0xc1, .node_id = 2, .new_incarnation = 77};
}

struct data_directory *directory_must_open(const struct data_directory_options *options)
{
    struct error error = {""};
    struct data_directory *directory = data_directory_open(options, &error);
    if (directory == NULL) {
        fail_msg("%s", error.text);
    }
    return directory;
}
