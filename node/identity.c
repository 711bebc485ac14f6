/*
 * identity.c - the directory's manifest is asked first: what it says need not be said again, and
 * must not be contradicted. A directory without one must be told what it is for.
 */
#include "identity.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/bytes.h"
#include "storage/data_directory.h"

static bool has_manifest(const char *data, bool *has, struct error *error)
{
    struct buffer path = {0};
    buffer_printf(&path, "%s/manifest", data);
    buffer_append(&path, "", 1);
    *has = access((const char *)path.data, F_OK) == 0;
    bool known = *has || errno == ENOENT;
    if (!known) {
        error_set(error, "can't look for %s: %s", (const char *)path.data, strerror(errno));
    }
    buffer_free(&path);
    return known;
}

static bool agree(const struct node_options *options, const struct data_owner *owner,
                  struct error *error)
{
    if (options->id != 0 && options->id != owner->node_id) {
        return error_set(error,
                         "the data directory %s belongs to node %" PRIu64 ", and --id says %" PRIu64
                         ": check the directory, or leave --id out",
                         options->data, owner->node_id, options->id);
    }
    if (options->cluster_id != 0 && options->cluster_id != owner->cluster_id) {
        return error_set(error,
                         "the data directory %s belongs to cluster %016" PRIx64
                         ", and --cluster-id says %016" PRIx64
                         ": check the directory, or leave --cluster-id out",
                         options->data, owner->cluster_id, options->cluster_id);
    }
    return true;
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

bool identity_find(struct node_options *options, struct error *error)
{
    struct data_owner owner;
    bool has;
    if (!has_manifest(options->data, &has, error)) {
        return false;
    }
    if (!has) {
        return is_told_enough(options, error);
    }
    if (!data_directory_owner(&file_system_posix, options->data, &owner, error) ||
        !agree(options, &owner, error)) {
        return false;
    }
    options->id = owner.node_id;
    return true;
}
