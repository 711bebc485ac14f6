/*
 * identity.c - the directory's manifest says who this is, and need not be told; if it is told, the
 * open holds the two against each other (node/core/found.c). A directory without one must be told
 * what it is for.
 */
#include "identity.h"

#include <errno.h>
#include <unistd.h>

#include "base/bytes.h"
#include "storage/data_directory.h"

/* What can't be looked at is for the open to judge, which says more. */
static bool may_have_manifest(const char *data)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/manifest", data);
    buffer_append(&path, "", 1);
    bool absent = access((const char *)path.data, F_OK) != 0 && errno == ENOENT;
    buffer_free(&path);
    return !absent;
}

/* A new directory: for a node that founds, or one that joins. */
static bool is_told_enough(const struct node_options *options, struct error *error)
{
    if (options->id == 0) {
        return error_set(
            error,
            "--id is needed: the data directory %s has no manifest, and does not say which "
            "node this is",
            options->data);
    }
    if (options->member_count == 0 && options->cluster_id == 0) {
        return error_set(error,
                         "the data directory %s is new (it has no manifest): --initial-cluster is "
                         "needed for a node "
                         "that founds a cluster with others, --cluster-id for one that joins a "
                         "cluster (`holdfast cluster status` shows the id)",
                         options->data);
    }
    if (options->member_count == 0 && options->advertise_peer == NULL) {
        return error_set(error,
                         "--peer-address is needed: a node that joins must be told where the "
                         "others connect to it, the address that it is added with");
    }
    return true;
}

enum identity_outcome identity_find(struct node_options *options, struct error *error)
{
    struct data_owner owner;
    if (!may_have_manifest(options->data)) {
        return is_told_enough(options, error) ? IDENTITY_FOUND : IDENTITY_NOT_TOLD;
    }
    if (options->id != 0) {
        return IDENTITY_FOUND; /* the open holds it against what is there */
    }
    if (!data_directory_owner(&file_system_posix, options->data, &owner, error)) {
        return IDENTITY_UNREADABLE;
    }
    options->id = owner.node_id;
    return IDENTITY_FOUND;
}
