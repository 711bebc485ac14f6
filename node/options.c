/*
 * options.c - one table of names; each name is looked for in the flags, then the environment, then
 * the file. What is left at its default is filled in at the end, and the whole is checked together.
 */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/address.h"
#include "base/bytes.h"

#define CONFIG_FILE_BYTES ((size_t)64 << 10)
/* Of what is said about the log in bytes. */
#define LEAST_LOG_BYTES (UINT64_C(64) << 10)
#define MOST_LOG_BYTES  (UINT64_C(1) << 40)

enum option_name {
    OPTION_ID,
    OPTION_DATA,
    OPTION_CLIENT_ADDRESS,
    OPTION_PEER_ADDRESS,
    OPTION_ADVERTISE_CLIENT,
    OPTION_ADVERTISE_PEER,
    OPTION_INITIAL_CLUSTER,
    OPTION_CLUSTER_ID,
    OPTION_FORCE_NEW_CLUSTER,
    OPTION_CONFIRM_DATA_LOSS,
    OPTION_ELECTION_TIMEOUT,
    OPTION_HEARTBEAT,
    OPTION_DISK_RESERVE,
    OPTION_LOG_LEVEL,
    OPTION_SNAPSHOT_LOG_ENTRIES,
    OPTION_SNAPSHOT_LOG_BYTES,
    OPTION_HELD_LOG_BYTES,
    OPTION_LOG_SEGMENT_BYTES,
    OPTION_SNAPSHOT_RATE,
    OPTION_CONFIG,
    OPTION_COUNT
};

static const struct {
    const char *name;
    const char *value;
    const char *help;
} option_table[OPTION_COUNT] = {
    [OPTION_ID] = {"id", "N", "this node's id, 1 or more; for ever, and never another node's"},
    [OPTION_DATA] = {"data", "DIR", "where this node keeps its log and state"},
    [OPTION_CLIENT_ADDRESS] = {"client-address", "HOST:PORT",
                               "where clients connect (default " DEFAULT_CLIENT_ADDRESS ")"},
    [OPTION_PEER_ADDRESS] = {"peer-address", "HOST:PORT",
                             "where the other nodes connect (default: --advertise-peer, or as in "
                             "the list of members)"},
    [OPTION_ADVERTISE_CLIENT] = {"advertise-client", "HOST:PORT",
                                 "the client address as clients reach it (default: "
                                 "--client-address)"},
    [OPTION_ADVERTISE_PEER] = {"advertise-peer", "HOST:PORT",
                               "the peer address as nodes reach it (default: as in "
                               "--initial-cluster, or --peer-address)"},
    [OPTION_INITIAL_CLUSTER] = {"initial-cluster", "ID=HOST:PORT,...",
                                "new directory: the nodes that found the cluster, with their peer "
                                "addresses; the same on each of them"},
    [OPTION_CLUSTER_ID] =
        {"cluster-id", "HEX",
         "new directory: the cluster that this node joins, once it is added there"},
    [OPTION_FORCE_NEW_CLUSTER] = {"force-new-cluster", "NEWDIR",
                                  "disaster recovery: run nothing, make NEWDIR out of --data, for "
                                  "a cluster of this node alone; says what may be lost first"},
    [OPTION_CONFIRM_DATA_LOSS] = {"confirm-data-loss", "HEX",
                                  "with it: do it; the id of the cluster that is given up"},
    [OPTION_ELECTION_TIMEOUT] = {"election-timeout-ms", "MS",
                                 "no word from the leader for this long: elect (default 300)"},
    [OPTION_HEARTBEAT] = {"heartbeat-ms", "MS",
                          "the leader's word when idle (default: a quarter of the election "
                          "timeout)"},
    [OPTION_DISK_RESERVE] = {"disk-reserve", "BYTES",
                             "less than this free: take no commands (default 536870912; 0: "
                             "none kept)"},
    [OPTION_LOG_LEVEL] = {"log-level", "LEVEL", "debug, info, warning or error (default info)"},
    [OPTION_SNAPSHOT_LOG_ENTRIES] = {"snapshot-log-entries", "N",
                                     "snapshot when the log has grown by so many entries "
                                     "(default 200000)"},
    [OPTION_SNAPSHOT_LOG_BYTES] = {"snapshot-log-bytes", "BYTES",
                                   "snapshot when the log has grown by so much (default 256 MiB)"},
    [OPTION_HELD_LOG_BYTES] = {"held-log-bytes", "BYTES",
                               "while another node fetches a snapshot, none is taken until the log "
                               "is this large (default 1 GiB)"},
    [OPTION_LOG_SEGMENT_BYTES] = {"log-segment-bytes", "BYTES",
                                  "size of the log's files, the least that is trimmed "
                                  "(default 64 MiB)"},
    [OPTION_SNAPSHOT_RATE] = {"snapshot-rate", "BYTES",
                              "what leaves of snapshots per second, 0: no limit "
                              "(default 64 MiB)"},
    [OPTION_CONFIG] = {"config", "FILE", "lines `name = value`; # begins a comment"},
};

/* The values found so far, with where each stood. A value that is set is not replaced: flags are
 * read first. */
struct found {
    char *value[OPTION_COUNT];
    char *where[OPTION_COUNT];
};

static int option_find(const char *name, size_t len)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        if (strlen(option_table[i].name) == len && memcmp(option_table[i].name, name, len) == 0) {
            return i;
        }
    }
    return -1;
}

static void found_set(struct found *found, int option, const char *value, const char *where)
{
    if (found->value[option] == NULL) {
        found->value[option] = memory_strdup(value);
        found->where[option] = memory_strdup(where);
    }
}

static void found_free(struct found *found)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        free(found->value[i]);
        free(found->where[i]);
    }
}

static enum options_outcome read_flags(struct found *found, int argc, char **argv,
                                       struct error *error)
{
    for (int i = 1; i < argc; i++) {
        const char *flag = argv[i];
        if (strcmp(flag, "--help") == 0 || strcmp(flag, "-h") == 0) {
            return OPTIONS_HELP;
        }
        if (strcmp(flag, "--version") == 0) {
            return OPTIONS_VERSION;
        }
        if (strncmp(flag, "--", 2) != 0) {
            error_set(error, "unexpected argument '%s': options begin with --, see --help", flag);
            return OPTIONS_REFUSED;
        }
        const char *name = flag + 2;
        const char *equals = strchr(name, '=');
        size_t len = equals != NULL ? (size_t)(equals - name) : strlen(name);
        int option = option_find(name, len);
        if (option < 0) {
            error_set(error, "unknown option --%.*s: see --help", (int)len, name);
            return OPTIONS_REFUSED;
        }
        if (found->value[option] != NULL) {
            error_set(error, "--%s is given twice", option_table[option].name);
            return OPTIONS_REFUSED;
        }
        const char *value = equals != NULL ? equals + 1 : NULL;
        if (value == NULL) {
            if (i + 1 == argc) {
                error_set(error, "--%s needs a value", option_table[option].name);
                return OPTIONS_REFUSED;
            }
            value = argv[++i];
        }
        char where[64];
        snprintf(where, sizeof where, "--%s", option_table[option].name);
        found_set(found, option, value, where);
    }
    return OPTIONS_RUN;
}

static void read_environment(struct found *found)
{
    for (int i = 0; i < OPTION_COUNT; i++) {
        char name[64] = "HOLDFAST_";
        size_t len = strlen(name);
        for (const char *c = option_table[i].name; *c != '\0'; c++) {
            name[len++] = *c == '-' ? '_' : (char)toupper((unsigned char)*c);
        }
        name[len] = '\0';
        const char *value = getenv(name);
        if (value != NULL && value[0] != '\0') {
            found_set(found, i, value, name);
        }
    }
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text)) {
        text++;
    }
    size_t len = strlen(text);
    while (len > 0 && isspace((unsigned char)text[len - 1])) {
        text[--len] = '\0';
    }
    return text;
}

static bool read_file(struct found *found, const char *path, struct error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        return error_set(error, "can't read the configuration file %s: %s", path, strerror(errno));
    }
    char *text = memory_alloc(CONFIG_FILE_BYTES + 1);
    size_t len = fread(text, 1, CONFIG_FILE_BYTES + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    bool ok = true;
    if (failed || len > CONFIG_FILE_BYTES) {
        ok = error_set(error, "can't read the configuration file %s: %s", path,
                       failed ? "read error" : "it is larger than 64 KiB");
        len = 0;
    }
    text[len < CONFIG_FILE_BYTES ? len : CONFIG_FILE_BYTES] = '\0';
    unsigned number = 0;
    char *rest = text;
    for (char *line = strsep(&rest, "\n"); ok && line != NULL; line = strsep(&rest, "\n")) {
        number++;
        line[strcspn(line, "#")] = '\0';
        line = trim(line);
        if (line[0] == '\0') {
            continue;
        }
        char *equals = strchr(line, '=');
        if (equals == NULL) {
            ok = error_set(error, "%s:%u: expected `name = value`, found '%s'", path, number, line);
            break;
        }
        *equals = '\0';
        char *name = trim(line);
        int option = option_find(name, strlen(name));
        if (option < 0 || option == OPTION_CONFIG) {
            ok = error_set(error, "%s:%u: unknown option '%s'", path, number, name);
            break;
        }
        char where[300];
        snprintf(where, sizeof where, "%s:%u: %s", path, number, name);
        found_set(found, option, trim(equals + 1), where);
    }
    free(text);
    return ok;
}

static bool parse_number(const struct found *found, enum option_name option, uint64_t low,
                         uint64_t high, uint64_t *number, struct error *error)
{
    const char *text = found->value[option];
    char *end;
    errno = 0;
    *number = strtoull(text, &end, 10);
    if (!isdigit((unsigned char)text[0]) || *end != '\0' || errno != 0 || *number < low ||
        *number > high) {
        return error_set(error, "%s: '%s' is not a number from %" PRIu64 " to %" PRIu64,
                         found->where[option], text, low, high);
    }
    return true;
}

static bool check_address(const struct found *found, enum option_name option, struct error *error)
{
    struct address address;
    if (!address_parse(found->value[option], ADDRESS_TO_CONNECT, &address, error)) {
        return error_wrap(error, "%s", found->where[option]);
    }
    return true;
}

/* What is told to others must lead them here. 0.0.0.0 means "every address" to whoever listens, and
 * "this machine" to whoever connects: a node that was told so would forward to itself. */
static bool check_reachable(const char *text, const char *where, struct error *error)
{
    struct address address;
    if (!address_parse(text, ADDRESS_TO_CONNECT, &address, error)) {
        return error_wrap(error, "%s", where);
    }
    return (strcmp(address.host, "0.0.0.0") != 0 && strcmp(address.host, "::") != 0) ||
           error_set(error,
                     "%s: %s is nowhere that others can connect to: name this machine's "
                     "own address",
                     where, text);
}

static bool is_loopback(const char *text)
{
    struct address address;
    struct error ignored;
    return address_parse(text, ADDRESS_TO_CONNECT, &address, &ignored) &&
           (strncmp(address.host, "127.", 4) == 0 || strcmp(address.host, "::1") == 0 ||
            strcmp(address.host, "localhost") == 0);
}

bool options_doubt(const struct node_options *options, struct error *doubt)
{
    bool elsewhere = false;
    for (size_t i = 0; i < options->member_count; i++) {
        elsewhere = elsewhere || (options->members[i].id != options->id &&
                                  !is_loopback(options->members[i].address));
    }
    if (!elsewhere || !is_loopback(options->advertise_client)) {
        return false;
    }
    error_set(doubt,
              "other nodes are on other machines, and forward to this one at %s, which is their "
              "own machine: set --advertise-client",
              options->advertise_client);
    return true;
}

/* ID=HOST:PORT,... Member addresses are views into options->initial_cluster, whose commas become
 * NULs. */
static bool parse_members(struct node_options *options, const char *where, struct error *error)
{
    char *rest = options->initial_cluster;
    for (char *item = strsep(&rest, ","); item != NULL; item = strsep(&rest, ",")) {
        item = trim(item);
        char *end;
        errno = 0;
        unsigned long long id = strtoull(item, &end, 10);
        if (!isdigit((unsigned char)item[0]) || *end != '=' || errno != 0 || id == 0) {
            return error_set(error, "%s: '%s' is not ID=HOST:PORT with an id of 1 or more", where,
                             item);
        }
        char place[320];
        snprintf(place, sizeof place, "%s: node %llu", where, id);
        if (!check_reachable(end + 1, place, error)) {
            return false;
        }
        if (options->member_count == LIMIT_NODES) {
            return error_set(error, "%s: more than %d nodes", where, LIMIT_NODES);
        }
        for (size_t i = 0; i < options->member_count; i++) {
            if (options->members[i].id == id || strcmp(options->members[i].address, end + 1) == 0) {
                return error_set(error, "%s: '%s' names an id or address a second time", where,
                                 item);
            }
        }
        options->members[options->member_count++] =
            (struct replica_member){.id = id, .role = REPLICA_VOTER, .address = end + 1};
    }
    return true;
}

static const char *own_peer_address(const struct node_options *options)
{
    for (size_t i = 0; i < options->member_count; i++) {
        if (options->members[i].id == options->id) {
            return options->members[i].address;
        }
    }
    return NULL;
}

static bool parse_cluster_id(const struct found *found, enum option_name option,
                             uint64_t *cluster_id, struct error *error)
{
    const char *text = found->value[option];
    if (text == NULL) {
        return true;
    }
    *cluster_id = strtoull(text, NULL, 16);
    if (strlen(text) != 16 || strspn(text, "0123456789abcdefABCDEF") != 16 || *cluster_id == 0) {
        return error_set(error,
                         "%s: '%s' is not the id of a cluster, 16 hexadecimal digits as `holdfast "
                         "cluster status` shows them",
                         found->where[option], text);
    }
    return true;
}

/* When snapshots are taken, what they may keep, and how fast they leave. */
static bool fill_snapshots(struct node_options *options, const struct found *found,
                           struct error *error)
{
    const struct {
        enum option_name name;
        uint64_t low;
        uint64_t high;
        uint64_t fallback;
        uint64_t *number;
    } numbers[] = {
        {OPTION_SNAPSHOT_LOG_ENTRIES, 1, LIMIT_HELD_LOG_ENTRIES, SNAPSHOT_LOG_ENTRIES,
         &options->snapshot_log_entries},
        {OPTION_SNAPSHOT_LOG_BYTES, LEAST_LOG_BYTES, MOST_LOG_BYTES, SNAPSHOT_LOG_BYTES,
         &options->snapshot_log_bytes},
        {OPTION_HELD_LOG_BYTES, LEAST_LOG_BYTES, MOST_LOG_BYTES, HELD_LOG_BYTES,
         &options->held_log_bytes},
        {OPTION_LOG_SEGMENT_BYTES, LEAST_LOG_BYTES, LIMIT_LOG_SEGMENT_BYTES, LOG_SEGMENT_BYTES,
         &options->log_segment_bytes},
        {OPTION_SNAPSHOT_RATE, 0, MOST_LOG_BYTES, SNAPSHOT_RATE_BYTES,
         &options->snapshot_rate_bytes},
    };
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        *numbers[i].number = numbers[i].fallback;
        if (found->value[numbers[i].name] != NULL &&
            !parse_number(found, numbers[i].name, numbers[i].low, numbers[i].high,
                          numbers[i].number, error)) {
            return false;
        }
    }
    if (options->held_log_bytes < options->snapshot_log_bytes) {
        return error_set(error,
                         "--held-log-bytes %" PRIu64
                         " must be at least --snapshot-log-bytes %" PRIu64
                         ": a snapshot that another node fetches is kept for longer, not shorter",
                         options->held_log_bytes, options->snapshot_log_bytes);
    }
    if (options->snapshot_rate_bytes > 0 &&
        options->snapshot_rate_bytes < LEAST_SNAPSHOT_RATE_BYTES) {
        return error_set(error,
                         "--snapshot-rate %" PRIu64 " is too slow: at least %" PRIu64
                         " bytes per second, or 0 for no limit",
                         options->snapshot_rate_bytes, LEAST_SNAPSHOT_RATE_BYTES);
    }
    return true;
}

/* Where peers connect: told, or left to the list of members on disk. */
static bool fill_peer_addresses(struct node_options *options, struct found *found,
                                struct error *error)
{
    if (found->value[OPTION_PEER_ADDRESS] != NULL) {
        found_set(found, OPTION_ADVERTISE_PEER, found->value[OPTION_PEER_ADDRESS],
                  found->where[OPTION_PEER_ADDRESS]);
    }
    if (found->value[OPTION_ADVERTISE_PEER] == NULL) {
        return true;
    }
    found_set(found, OPTION_PEER_ADDRESS, found->value[OPTION_ADVERTISE_PEER],
              found->where[OPTION_ADVERTISE_PEER]);
    options->peer_address = memory_strdup(found->value[OPTION_PEER_ADDRESS]);
    options->advertise_peer = memory_strdup(found->value[OPTION_ADVERTISE_PEER]);
    return check_reachable(options->advertise_peer, found->where[OPTION_ADVERTISE_PEER], error);
}

/* One of those who found the cluster, or did once. */
static bool fill_founder(struct node_options *options, struct found *found, struct error *error)
{
    const char *where = found->where[OPTION_INITIAL_CLUSTER];
    options->initial_cluster = memory_strdup(found->value[OPTION_INITIAL_CLUSTER]);
    if (!parse_members(options, where, error)) {
        return false;
    }
    if (options->id == 0) {
        return error_set(error, "--id is needed with %s: which of these nodes is this one?", where);
    }
    const char *own = own_peer_address(options);
    if (own == NULL) {
        return error_set(error,
                         "%s: node %" PRIu64 " (--id) does not stand in it; a node that joins a "
                         "cluster later is given --cluster-id instead",
                         where, options->id);
    }
    found_set(found, OPTION_ADVERTISE_PEER, own, "--initial-cluster");
    if (strcmp(found->value[OPTION_ADVERTISE_PEER], own) != 0) {
        return error_set(error, "%s: %s is not node %" PRIu64 "'s address in --initial-cluster, %s",
                         found->where[OPTION_ADVERTISE_PEER], found->value[OPTION_ADVERTISE_PEER],
                         options->id, own);
    }
    options->advertise_peer = memory_strdup(own);
    found_set(found, OPTION_PEER_ADDRESS, own, "--initial-cluster");
    options->peer_address = memory_strdup(found->value[OPTION_PEER_ADDRESS]);
    return true;
}

static bool fill(struct node_options *options, struct found *found, struct error *error)
{
    if (found->value[OPTION_DATA] == NULL) {
        return error_set(error, "--data is needed (%s): see --help",
                         option_table[OPTION_DATA].help);
    }
    uint64_t number;
    if (found->value[OPTION_ID] != NULL &&
        !parse_number(found, OPTION_ID, 1, UINT32_MAX, &options->id, error)) {
        return false;
    }
    if (!parse_cluster_id(found, OPTION_CLUSTER_ID, &options->cluster_id, error) ||
        !parse_cluster_id(found, OPTION_CONFIRM_DATA_LOSS, &options->confirmed_cluster_id, error)) {
        return false;
    }
    if (found->value[OPTION_FORCE_NEW_CLUSTER] != NULL) {
        options->force_new_cluster = memory_strdup(found->value[OPTION_FORCE_NEW_CLUSTER]);
    } else if (options->confirmed_cluster_id != 0) {
        return error_set(error, "%s goes with --force-new-cluster",
                         found->where[OPTION_CONFIRM_DATA_LOSS]);
    }
    options->election_timeout_ms = DEFAULT_ELECTION_TIMEOUT_MS;
    if (found->value[OPTION_ELECTION_TIMEOUT] != NULL) {
        if (!parse_number(found, OPTION_ELECTION_TIMEOUT, 50, 60000, &number, error)) {
            return false;
        }
        options->election_timeout_ms = (uint32_t)number;
    }
    options->heartbeat_ms = options->election_timeout_ms / HEARTBEATS_PER_ELECTION_TIMEOUT;
    if (found->value[OPTION_HEARTBEAT] != NULL) {
        if (!parse_number(found, OPTION_HEARTBEAT, 10, 10000, &number, error)) {
            return false;
        }
        options->heartbeat_ms = (uint32_t)number;
    }
    if (options->heartbeat_ms * HEARTBEATS_PER_ELECTION_TIMEOUT > options->election_timeout_ms) {
        return error_set(error,
                         "--heartbeat-ms %u must be at most a quarter of --election-timeout-ms %u, "
                         "or a few late heartbeats start an election",
                         options->heartbeat_ms, options->election_timeout_ms);
    }
    options->disk_reserve_bytes = DISK_RESERVE_BYTES;
    if (found->value[OPTION_DISK_RESERVE] != NULL &&
        !parse_number(found, OPTION_DISK_RESERVE, 0, LIMIT_DISK_RESERVE_BYTES,
                      &options->disk_reserve_bytes, error)) {
        return false;
    }
    options->log_level = LOG_INFO;
    if (found->value[OPTION_LOG_LEVEL] != NULL &&
        !log_level_parse(found->value[OPTION_LOG_LEVEL], &options->log_level)) {
        return error_set(error, "%s: '%s' is not debug, info, warning or error",
                         found->where[OPTION_LOG_LEVEL], found->value[OPTION_LOG_LEVEL]);
    }

    if (!fill_snapshots(options, found, error)) {
        return false;
    }
    found_set(found, OPTION_CLIENT_ADDRESS, DEFAULT_CLIENT_ADDRESS, "--client-address");
    static const enum option_name addresses[] = {OPTION_CLIENT_ADDRESS, OPTION_PEER_ADDRESS,
                                                 OPTION_ADVERTISE_CLIENT, OPTION_ADVERTISE_PEER};
    for (size_t i = 0; i < sizeof addresses / sizeof addresses[0]; i++) {
        if (found->value[addresses[i]] != NULL && !check_address(found, addresses[i], error)) {
            return false;
        }
    }
    if (found->value[OPTION_DATA][0] == '\0') {
        return error_set(error, "%s: an empty path", found->where[OPTION_DATA]);
    }
    options->data = memory_strdup(found->value[OPTION_DATA]);
    options->client_address = memory_strdup(found->value[OPTION_CLIENT_ADDRESS]);
    found_set(found, OPTION_ADVERTISE_CLIENT, options->client_address, "--client-address");
    options->advertise_client = memory_strdup(found->value[OPTION_ADVERTISE_CLIENT]);
    if (!check_reachable(options->advertise_client, "--advertise-client", error)) {
        return false;
    }

    return found->value[OPTION_INITIAL_CLUSTER] != NULL
               ? fill_founder(options, found, error)
               : fill_peer_addresses(options, found, error);
}

enum options_outcome options_read(struct node_options *options, int argc, char **argv,
                                  struct error *error)
{
    *options = (struct node_options){0};
    struct found found = {0};
    enum options_outcome outcome = read_flags(&found, argc, argv, error);
    if (outcome == OPTIONS_RUN) {
        read_environment(&found);
        if ((found.value[OPTION_CONFIG] != NULL &&
             !read_file(&found, found.value[OPTION_CONFIG], error)) ||
            !fill(options, &found, error)) {
            outcome = OPTIONS_REFUSED;
        }
    }
    found_free(&found);
    return outcome;
}

void options_free(struct node_options *options)
{
    free(options->data);
    free(options->client_address);
    free(options->peer_address);
    free(options->advertise_client);
    free(options->advertise_peer);
    free(options->initial_cluster);
    free(options->force_new_cluster);
    *options = (struct node_options){0};
}

void options_print_help(void)
{
    printf(
        "holdfastd - one node of a replicated stock ledger\n\n"
        "usage: holdfastd --id N --data DIR --initial-cluster ID=HOST:PORT,... [OPTION]...\n"
        "       holdfastd --id N --data DIR --cluster-id HEX --peer-address HOST:PORT [OPTION]...\n"
        "       holdfastd --data DIR [OPTION]...\n\n"
        "The first founds a cluster, the second joins one (see `holdfast cluster add`), the third "
        "starts a node\nthat has its directory.\n\n");
    for (int i = 0; i < OPTION_COUNT; i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s %s", option_table[i].name, option_table[i].value);
        printf("  %-36s %s\n", left, option_table[i].help);
    }
    printf("  %-36s %s\n  %-36s %s\n\n", "--help", "this", "--version", "the version");
    printf(
        "Each option may also stand in the environment as HOLDFAST_NAME "
        "(HOLDFAST_DATA=/var/lib/holdfast)\n"
        "or in the file that --config names; a flag counts before the environment, that before the "
        "file.\n"
        "The log goes to stderr, one JSON object a line. SIGTERM drains and ends with status 0.\n");
}
