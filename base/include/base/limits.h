/*
 * limits.h - every bound of the project in one place, each with its reason. A new queue, buffer,
 * message or table takes its bound from here. The relations between them are checked by the
 * compiler at the end.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#include <stdint.h>

/* ---- the ledger's rules (docs: proto/holdfast/v1/ledger.proto) ---- */

/* Longest SKU, order id, request id, in bytes of UTF-8: fits one length byte, and a VARCHAR(255) of
 * the systems we replace. */
#define LIMIT_ID_BYTES 255
/* Longest actor, reason, remark, trace id. */
#define LIMIT_TEXT_BYTES 255
/* Largest quantity or stock: exact in a double, so in JSON, jq and JavaScript. */
#define LIMIT_QUANTITY ((INT64_C(1) << 53) - 1)
/* Lines of one order, and of all commands of one Execute together: what one entry may cost every
 * node in apply, about 100 ms. */
#define LIMIT_LINES 10000
/* Commands of one Execute. */
#define LIMIT_BATCH_COMMANDS 10000
/* SKUs of one BatchGetStock or CheckStock; rows of one page of a list, and the page when none is
 * asked for. */
#define LIMIT_QUERY_ITEMS 10000
#define LIMIT_PAGE_ROWS   1000
#define DEFAULT_PAGE_ROWS 100
/* Failing lines kept in a stored reply, for a repeated request; the first answer lists all. Of a
 * command that names no lines, one. */
#define LIMIT_STORED_FAILED_LINES 100
/* Largest time, in Unix milliseconds: the end of the year 9999, where Timestamp ends. Sums of two
 * such times stay far from the ends of int64_t. */
#define LIMIT_TIME_MS INT64_C(253402300799999)
/* Largest time at which something ends: a time, and what it may live from then on. */
#define LIMIT_DUE_MS (2 * LIMIT_TIME_MS)
/* What one log entry may expire or trim at its head, so that one entry's work is bounded. To each
 * is added what the entry's own commands can have made (ledger/due.c): else a backlog could grow
 * for ever under entries that carry thousands of commands. */
#define LIMIT_EXPIRED_ORDERS_PER_ENTRY  200
#define LIMIT_EXPIRED_LINES_PER_ENTRY   10000
#define LIMIT_TRIMMED_RECORDS_PER_ENTRY 200
#define LIMIT_TRIMMED_BYTES_PER_ENTRY   (4u << 20)

/* A page token in hexadecimal: kind, two ids and two numbers at most. */
#define LIMIT_PAGE_TOKEN_BYTES 1200

/* ---- wire ---- */

/* One gRPC message, either way: gRPC's own default. */
#define LIMIT_MESSAGE_BYTES (4u << 20)
/* What our own client accepts as a reply: a refusal repeats its lines, so it may outgrow the
 * request. */
#define LIMIT_REPLY_BYTES (16u << 20)
/* Request headers of one call, and their text. */
#define LIMIT_HEADERS      64
#define LIMIT_HEADER_BYTES (16u << 10)
/* Connections of a node, calls at once on one connection and in all, bytes of requests and replies
 * held for all. */
#define LIMIT_CONNECTIONS            4096
#define LIMIT_STREAMS_PER_CONNECTION 1024
#define LIMIT_CALLS                  16384
#define LIMIT_CALL_BYTES             (128u << 20)
/* Bytes waiting to be written to one client before we stop reading from it. */
#define LIMIT_SEND_BYTES_PER_CONNECTION (8u << 20)
/* HTTP/2 windows: what a client may send ahead of us. */
#define LIMIT_WINDOW_BYTES_PER_STREAM     (1u << 20)
#define LIMIT_WINDOW_BYTES_PER_CONNECTION (16u << 20)
/* A deadline is at most this long, and this long where none is given. */
#define LIMIT_DEADLINE_MS   600000
#define DEFAULT_DEADLINE_MS 10000
/* What a status other than OK says in words, before percent-encoding: it travels as one header. */
#define LIMIT_STATUS_MESSAGE_BYTES 1024
/* Headers a handler adds to one answer, and services the health check tells apart. */
#define LIMIT_REPLY_HEADERS   16
#define LIMIT_HEALTH_SERVICES 32
/* What is gathered for one write to one connection. */
#define LIMIT_WRITE_BYTES (256u << 10)
/* A connection must begin to speak within this time, and take something of what waits for it. */
#define LIMIT_PREFACE_MS 10000
#define LIMIT_STALL_MS   30000
/* Streams a client may reset: every call of a node may expire at once and honestly; what stays
 * above it is the rapid-reset attack (CVE-2023-44487). */
#define LIMIT_STREAM_RESETS_BURST      16384
#define LIMIT_STREAM_RESETS_PER_SECOND 4096
/* Calls a client holds, waiting or in flight, and their bytes. */
#define LIMIT_CLIENT_CALLS      16384
#define LIMIT_CLIENT_CALL_BYTES (64u << 20)

/* A host name (RFC 1035: 255 on the wire, 253 as text), and host:port. An IPv6 address is shorter,
 * brackets included. */
#define LIMIT_HOST_BYTES    253
#define LIMIT_ADDRESS_BYTES (LIMIT_HOST_BYTES + 6)

/* Reading from clients stops for this turn of the loop when it has taken this long: heartbeats and
 * other nodes' messages must not wait behind a flood. */
#define TURN_READ_MS 10
/* Descriptors that a node needs besides its clients': peers, log, database. */
#define NODE_OWN_DESCRIPTORS 1024

/* ---- admission ---- */

/* Nested messages of one request, and the memory that decoding it may take. */
#define LIMIT_MESSAGE_PARTS 65536
#define LIMIT_DECODE_BYTES  (32u << 20)
/* What one answer is laid out in before it is packed. Nothing an answer holds comes near: the
 * largest has 10,000 rows of about 600 bytes, ids of 255 included. */
#define LIMIT_REPLY_ARENA_BYTES (32u << 20)

/* Commands that wait for a place in the log, and their bytes; reads that have not been answered,
 * and theirs. While one of them is reached every request of the kind is refused at once, unread,
 * with RESOURCE_EXHAUSTED; one request may go beyond the number of commands. */
#define LIMIT_WAITING_COMMANDS   16384
#define LIMIT_WAITING_BYTES      (32u << 20)
#define LIMIT_WAITING_READS      16384
#define LIMIT_WAITING_READ_BYTES (32u << 20)

/* Entries of its log that a follower may still have to apply and yet answer linearizable reads
 * itself: more than a leader has in flight, and about a turn's worth (LIMIT_APPLY_TURN_ENTRIES).
 * One that catches up after a restart takes them to the leader. */
#define LIMIT_READ_LAG 256

/* ---- replication ---- */

#define LIMIT_NODES 9
/* Nodes that a state which nobody has compared yet is known to stem from: more hands than members
 * it hardly goes through in that time. */
#define LIMIT_LINEAGE 9
/* Peers that a replica keeps in mind: members, and some that were or will be. */
#define LIMIT_PEERS_KNOWN 18
/* Their addresses, ids and roles as one log entry and every snapshot carries them. */
#define LIMIT_CONFIGURATION_BYTES 2560u
/* Entries that a standby may lack when it gets a vote: a moment's worth, for the others' majority
 * may have to wait for it. */
#define LIMIT_PROMOTION_LAG 1000
/* The same of who is to take over the leadership: nothing is submitted until it has them. */
#define LIMIT_TRANSFER_LAG 1000
/* No word from the leader for this long: elect. And how many heartbeats must fit into it: a leader
 * may wait for one to hear from all at once, and some may be late (docs/replication.md, rule 14).
 */
#define DEFAULT_ELECTION_TIMEOUT_MS     300
#define HEARTBEATS_PER_ELECTION_TIMEOUT 4
/* One entry: a full Execute and its framing. Group commit stops gathering at the target, one
 * command alone may be larger. */
#define LIMIT_ENTRY_BYTES  (6u << 20)
#define TARGET_ENTRY_BYTES (512u << 10)
#define TARGET_ENTRY_LINES 1000
/* Entries and bytes submitted and not yet applied on the leader. */
#define LIMIT_INFLIGHT_ENTRIES 64
#define LIMIT_INFLIGHT_BYTES   (32u << 20)
/* Entries that the proposer keeps in flight: few, so that what comes meanwhile gathers into the
 * next one (group commit). */
#define TARGET_INFLIGHT_ENTRIES 4
/* libraft's own pipeline to one follower, in entries. */
#define LIMIT_RAFT_INFLIGHT_ENTRIES 2048
/* The tail of the log kept in memory for followers; what is older is read from disk. */
#define LIMIT_LOG_TAIL_BYTES   (64u << 20)
#define LIMIT_LOG_TAIL_ENTRIES 16384
/* Entries of one AppendEntries: both bounds, but always at least one entry. */
#define LIMIT_APPEND_BYTES   (1u << 20)
#define LIMIT_APPEND_ENTRIES 1024
/* Entries sent to one follower for one AppendEntries of libraft, in several frames: what is beyond
 * counts as lost and is asked for again. Bounds what one follower far behind may cost a turn. */
#define LIMIT_APPEND_TURN_BYTES (4u << 20)
/* Entries received and not yet synced here: beyond it a follower takes heartbeats only, so that a
 * slow disk can't fill the memory. */
#define LIMIT_UNSYNCED_BYTES   (32u << 20)
#define LIMIT_UNSYNCED_ENTRIES 8192
/* What one turn of the loop applies before it looks at the network again: no entry is begun beyond
 * it, but one always is. About 30 ms of orders with one line. An entry of LIMIT_LINES lines has
 * more bytes than this and takes a third of an election timeout: two of them in one turn could cost
 * the leadership. */
#define LIMIT_APPLY_TURN_ENTRIES 256
#define LIMIT_APPLY_TURN_BYTES   (64u << 10)
/* Terms and indexes above it are nobody's: arithmetic on them could overflow. */
#define LIMIT_RAFT_NUMBER (UINT64_C(1) << 62)
/* One frame between nodes, and what may wait for one peer; what does not fit is dropped (Raft sends
 * it again). */
#define LIMIT_PEER_FRAME_BYTES (8u << 20)
#define LIMIT_PEER_SEND_BYTES  (32u << 20)
#define LIMIT_PEER_SEND_FRAMES 4096
/* Sockets that have connected to the peer port and have not said hello. */
#define LIMIT_PEER_STRANGERS 32
/* A frame's header, which is everything but the bytes of its entries: LIMIT_APPEND_ENTRIES entries
 * of up to 32 bytes each, and a few fields. */
#define LIMIT_PEER_HEADER_BYTES (64u << 10)
/* The whole frame that a stranger may send: a hello. */
#define LIMIT_PEER_HELLO_BYTES 4096u
/* Why a node refuses another, in words. */
#define LIMIT_PEER_REASON_BYTES 511
/* What one write to a peer gathers: enough that a system call's cost vanishes, little enough that
 * frames are let go soon. 1024 parts is what writev takes. Both bounds, but at least one frame. */
#define LIMIT_PEER_WRITE_BYTES (1u << 20)
#define LIMIT_PEER_WRITE_PARTS 1024
/* The receive buffer a member's connection starts with, and what it may keep between frames: a full
 * AppendEntries. */
#define PEER_RECEIVE_BYTES            (64u << 10)
#define LIMIT_PEER_RECEIVE_KEPT_BYTES (2u << 20)
/* Addresses of one host name that are tried before the next look-up. */
#define LIMIT_PEER_CANDIDATES 8
/* Connecting, and waiting for a hello or its answer: several round trips of any network that can
 * carry 300 ms elections. */
#define PEER_CONNECT_TIMEOUT_MS 1000
#define PEER_HELLO_TIMEOUT_MS   1000
/* From one attempt to dial a peer to the next: doubles between these, minus a random part of up to
 * half. It starts anew after a connection that lasted at least the last. */
#define PEER_BACKOFF_FIRST_MS 100
#define PEER_BACKOFF_LAST_MS  1000
#define PEER_STABLE_MS        1000
/* A peer whose machine has not acknowledged our bytes, or probes of a silent connection, for so
 * long has lost the connection. Short, since a connection that outlives a cut stays silent for
 * about as long again (TCP's retransmissions back off), while a new one works at once. */
#define PEER_SILENCE_MS 2000
/* The connection that carries a checkpoint: closed when nothing has come or gone for so long; and
 * what may wait on it, a part and the next one. */
#define PEER_BULK_IDLE_MS     5000
#define LIMIT_PEER_BULK_BYTES (2 * LIMIT_CHECKPOINT_PART_BYTES + LIMIT_PEER_HEADER_BYTES)
/* Reports about connections that were turned away, so that a stranger can't flood the log: how many
 * within a window, and how soon the same words again. */
#define LIMIT_PEER_REPORTS    20
#define PEER_REPORT_WINDOW_MS 10000
#define PEER_REPORT_REPEAT_MS 60000
/* Writes waiting for the log's thread. */
#define LIMIT_LOG_WRITES 1024

/* ---- clocks ---- */

/* How often the others are asked for their wall clocks; while one is not known; how long an answer
 * may take to say anything, and how long it counts: clocks of machines drift by less than a
 * millisecond in that time. */
#define CLOCK_ASK_MS         1000
#define CLOCK_ASK_SOON_MS    100
#define LIMIT_CLOCK_ROUND_MS 2000
#define LIMIT_CLOCK_AGE_MS   10000
/* How far a node's wall clock may be off the time that a majority of the voters bears out, and be
 * believed: NTP keeps machines within a tenth of that. */
#define LIMIT_CLOCK_SKEW_MS 1000
/* A majority that is so far ahead of ledger time in the midst of a lead has been set: what lies
 * below is slewed, in ten minutes at most. */
#define LIMIT_CLOCK_STEP_MS 60000
/* Warnings of one node's clock are at least so far apart. */
#define CLOCK_WARN_GAP_MS 60000
/* A leader that nobody writes to stamps an entry each so often while there are holds: after a
 * restart of all nodes, what lies behind the last entry counts as an outage. */
#define LEDGER_IDLE_STAMP_MS 10000

/* ---- log files ---- */

#define LOG_SEGMENT_BYTES (64u << 20)
/* The largest segment that is read: starting holds one in memory. */
#define LIMIT_LOG_SEGMENT_BYTES (256u << 20)
/* A batch is one write and one sync. */
#define LIMIT_LOG_BATCH_BYTES (16u << 20)
/* Batches that one read of the log looks at, whatever it asks for. */
#define LIMIT_LOG_READ_BATCHES 256

/* ---- state database ---- */

/* RocksDB's memory: this many write buffers at most (one being filled, the others being flushed),
 * and the cache of blocks, their indexes and filters. */
#define STATE_WRITE_BUFFER_BYTES (32u << 20)
#define STATE_WRITE_BUFFERS      3
#define STATE_BLOCK_CACHE_BYTES  (32u << 20)
/* Table files open at once, out of the process's descriptors. */
#define STATE_OPEN_FILES 256
/* Its threads: one that flushes, one that compacts. */
#define STATE_BACKGROUND_JOBS 2
/* What it has written of a file before it asks the disk to begin: a sync of a whole write buffer at
 * its end would keep the log's sync waiting. */
#define STATE_SYNC_BYTES (1u << 20)
/* Changes of one commit stay in memory until it; one entry's work bounds them. This much of the
 * memory is kept for the next one. */
#define STATE_OVERLAY_KEPT_BYTES (8u << 20)

/* ---- snapshots ---- */

/* Entries that stay in the log behind a snapshot: a follower whose acknowledgements are on their
 * way, as many as libraft sends ahead, and as many again, goes on with entries and needs no
 * snapshot. */
#define SNAPSHOT_TRAILING_ENTRIES 4096

/* Files of one checkpoint of the state, and all their bytes: RocksDB makes files of 64 MiB. Its
 * names are far shorter. */
#define LIMIT_CHECKPOINT_FILES      16384
#define LIMIT_CHECKPOINT_BYTES      (UINT64_C(1) << 40)
#define LIMIT_CHECKPOINT_NAME_BYTES 64
/* What is received of a file between two syncs: little to wait for for who else syncs. */
#define CHECKPOINT_SYNC_BYTES (4u << 20)
/* What is read at once to sum up a file. */
#define CHECKPOINT_READ_BYTES (1u << 20)
/* What one message brings of a file: little enough that its checksums and copies are no pause on
 * the loop's thread. Nodes that are read for at once. */
#define LIMIT_CHECKPOINT_PART_BYTES (256u << 10)
#define LIMIT_CHECKPOINT_READERS    4
/* How fast parts leave a node, in bytes per second, for all that fetch together: half of a gigabit
 * network, so that what Raft says has the other half; and the least that can be set, at which every
 * reader gets its part while it still asks. */
#define SNAPSHOT_RATE_BYTES       (UINT64_C(64) << 20)
#define LEAST_SNAPSHOT_RATE_BYTES (UINT64_C(1) << 20)
/* A question for a part without an answer is repeated after this time, so often; then the fetch is
 * given up, and begins anew with the leader's next offer: what has come stays this long. */
#define CHECKPOINT_ASK_MS     1000
#define LIMIT_CHECKPOINT_ASKS 10
#define STAGING_KEPT_MS       600000
/* A checkpoint that nobody has asked for in this time is removed. */
#define CHECKPOINT_KEPT_MS 60000
/* A snapshot is taken when the log has grown by so much since the last one. The bytes are what a
 * start reads, about a second of it; 100,000 orders a second write them in half a minute, and a
 * snapshot costs little more than a write buffer's flush. The entries are what a start may have to
 * keep in mind, about 150 bytes each. */
#define SNAPSHOT_LOG_ENTRIES 200000
#define SNAPSHOT_LOG_BYTES   (UINT64_C(256) << 20)
/* While another node fetches a checkpoint, its log must go on behind it, and none is taken: but not
 * beyond this size of the log. At 100,000 orders a second it lasts for a minute and a half, in
 * which 6 GiB of state leave. */
#define HELD_LOG_BYTES         (UINT64_C(1) << 30)
#define LIMIT_HELD_LOG_ENTRIES 1000000
/* Calls that wait for a snapshot. */
#define LIMIT_SNAPSHOT_CALLS 16

/* ---- the disk ---- */

/* Free bytes below which the leader refuses commands: room for a log segment that is made ahead,
 * for all write buffers and what one compaction takes meanwhile, and for what comes in between two
 * looks. */
#define DISK_RESERVE_BYTES       (UINT64_C(512) << 20)
#define LIMIT_DISK_RESERVE_BYTES (UINT64_C(1) << 60)
/* From one look to the next, and from one hand-over of a leader without room to its next. */
#define DISK_LOOK_MS     500
#define DISK_HANDOVER_MS 60000

/* ---- digests ---- */

/* Every so many log indexes the nodes compare the digests of their states: some times a second
 * under load, for one small message each. The last few stay noted, so that nodes which are not far
 * apart meet at one index. */
#define DIGEST_INTERVAL_ENTRIES 1000
#define DIGEST_NOTES            16
/* So many upkeeps (about a second) after the first report at an index nobody else is waited for;
 * and as often, so many times, a node whose digest differs is told again. */
#define DIGEST_UPKEEPS 20
#define DIGEST_REPEATS 10
/* An audit at an index that is still to be applied waits for it so many upkeeps (30 s), and a
 * leader writes so many empty entries at most to get there. */
#define AUDIT_WAIT_UPKEEPS  600
#define LIMIT_AUDIT_ENTRIES 1024

/* ---- the holdfast command ---- */

/* A file of orders, as text, and one record of it: what a mistaken argument may cost. The rows are
 * held in memory, 32 bytes each. */
#define LIMIT_CSV_BYTES        (UINT64_C(1) << 30)
#define LIMIT_CSV_RECORD_BYTES (64u << 10)
#define LIMIT_CSV_ROWS         (1u << 24)
/* Callers at once of replay and bench, as many as a client takes calls; and commands that all of
 * them together may have under way (250 bytes each); SKUs of bench. */
#define LIMIT_LOAD_CALLERS  16384
#define LIMIT_LOAD_COMMANDS (1 << 20)
#define LIMIT_LOAD_SKUS     1000000

/* ---- client library ---- */

/* Where a node listens for clients, and where they look for one, while nobody says otherwise. */
#define DEFAULT_CLIENT_ADDRESS "127.0.0.1:7070"
/* Endpoints that a program may name, and all that a client keeps a connection for: those, leaders
 * that nodes named, and nodes that were asked for their status. */
#define LIMIT_CLIENT_GIVEN_ENDPOINTS 16
#define LIMIT_CLIENT_ENDPOINTS       32
#define LIMIT_CLIENT_BACKOFF_MS      60000
#define DEFAULT_BACKOFF_MIN_MS       10
#define DEFAULT_BACKOFF_MAX_MS       500
/* An endpoint that failed is left alone, while another can be tried, for this long at first,
 * doubled with each further failure. */
#define CLIENT_SUSPECT_MIN_MS 100
#define CLIENT_SUSPECT_MAX_MS 10000

_Static_assert(LIMIT_NODES < LIMIT_PEERS_KNOWN, "every member needs a place");
_Static_assert(LIMIT_CLIENT_GIVEN_ENDPOINTS < LIMIT_CLIENT_ENDPOINTS, "leaders need places");
_Static_assert(LIMIT_MESSAGE_BYTES < LIMIT_ENTRY_BYTES, "an Execute must fit an entry");
_Static_assert(TARGET_ENTRY_BYTES < LIMIT_ENTRY_BYTES, "the target lies below the limit");
_Static_assert(LIMIT_PEER_FRAME_BYTES < LIMIT_PEER_SEND_BYTES, "a frame must fit the queue");
_Static_assert(LIMIT_APPEND_ENTRIES * 32u < LIMIT_PEER_HEADER_BYTES, "entries must fit a header");
_Static_assert(LIMIT_APPEND_BYTES + LIMIT_ENTRY_BYTES + LIMIT_PEER_HEADER_BYTES <
                   LIMIT_PEER_FRAME_BYTES,
               "entries and their header must fit a frame");
_Static_assert(LIMIT_ADDRESS_BYTES + LIMIT_PEER_REASON_BYTES + 256u < LIMIT_PEER_HELLO_BYTES,
               "a hello and a refusal must fit a stranger's frame");
_Static_assert(PEER_BACKOFF_LAST_MS <= PEER_STABLE_MS, "what lasts is not dialled in a circle");
_Static_assert(LIMIT_NODES *(LIMIT_ADDRESS_BYTES + 16) + 32 <= LIMIT_CONFIGURATION_BYTES,
               "a full configuration must fit");
_Static_assert(LIMIT_CHECKPOINT_FILES *(LIMIT_CHECKPOINT_NAME_BYTES + 32u) < LIMIT_PEER_FRAME_BYTES,
               "a checkpoint's list must fit a frame");
_Static_assert(LIMIT_CHECKPOINT_PART_BYTES + LIMIT_PEER_HEADER_BYTES < LIMIT_PEER_FRAME_BYTES,
               "a part of a checkpoint must fit a frame");
_Static_assert(UINT64_C(1000) * LIMIT_CHECKPOINT_PART_BYTES * LIMIT_CHECKPOINT_READERS <
                   LEAST_SNAPSHOT_RATE_BYTES * CHECKPOINT_ASK_MS * LIMIT_CHECKPOINT_ASKS / 2,
               "every reader's part must leave while it is asked for");
_Static_assert(CHECKPOINT_ASK_MS < PEER_BULK_IDLE_MS, "a fetch keeps its connection");
_Static_assert(LIMIT_ENTRY_BYTES < LIMIT_LOG_BATCH_BYTES, "an entry must fit a batch");
_Static_assert(LIMIT_LOG_BATCH_BYTES < LOG_SEGMENT_BYTES, "a batch must fit a segment");
_Static_assert(LOG_SEGMENT_BYTES <= LIMIT_LOG_SEGMENT_BYTES, "our own segments must be readable");
_Static_assert(LIMIT_MESSAGE_BYTES < LIMIT_WAITING_BYTES, "a command must fit the queue");
_Static_assert(LIMIT_MESSAGE_BYTES < LIMIT_WAITING_READ_BYTES, "a read must fit the queue");
_Static_assert(LIMIT_REPLY_BYTES < LIMIT_CALL_BYTES, "a reply must fit what is held");
_Static_assert(LIMIT_MESSAGE_BYTES < LIMIT_CLIENT_CALL_BYTES, "a request must fit what is held");
_Static_assert(LIMIT_CALLS <= LIMIT_STREAM_RESETS_BURST, "all calls may expire at once");
_Static_assert(TARGET_INFLIGHT_ENTRIES < LIMIT_INFLIGHT_ENTRIES, "room for the barrier");
_Static_assert(LIMIT_INFLIGHT_ENTRIES < LIMIT_RAFT_INFLIGHT_ENTRIES, "we stop before libraft does");
_Static_assert(LIMIT_APPEND_BYTES <= LIMIT_APPEND_TURN_BYTES &&
                   LIMIT_APPEND_TURN_BYTES + LIMIT_ENTRY_BYTES < LIMIT_PEER_SEND_BYTES,
               "a turn's frames must fit the queue");
_Static_assert(2 * LIMIT_RAFT_INFLIGHT_ENTRIES <= SNAPSHOT_TRAILING_ENTRIES,
               "who is not far behind needs no snapshot (Raft rule 12)");
_Static_assert(LIMIT_PROMOTION_LAG <= SNAPSHOT_TRAILING_ENTRIES &&
                   LIMIT_TRANSFER_LAG <= SNAPSHOT_TRAILING_ENTRIES,
               "who is so close catches up by entries");
_Static_assert(UINT64_C(2) * LOG_SEGMENT_BYTES <= SNAPSHOT_LOG_BYTES,
               "a snapshot lets whole segments go");
_Static_assert(SNAPSHOT_LOG_ENTRIES < LIMIT_HELD_LOG_ENTRIES && SNAPSHOT_LOG_BYTES < HELD_LOG_BYTES,
               "a log that is held may grow beyond where a snapshot is due");
_Static_assert(CHECKPOINT_ASK_MS *LIMIT_CHECKPOINT_ASKS < CHECKPOINT_KEPT_MS &&
                   CHECKPOINT_KEPT_MS < STAGING_KEPT_MS,
               "a checkpoint outlives the questions for it, and what has come of it outlives both");
_Static_assert(DISK_RESERVE_BYTES >=
                   LOG_SEGMENT_BYTES + STATE_WRITE_BUFFERS * STATE_WRITE_BUFFER_BYTES,
               "the reserve must hold what it is for");
_Static_assert(CLOCK_ASK_SOON_MS < CLOCK_ASK_MS &&
                   CLOCK_ASK_MS + LIMIT_CLOCK_ROUND_MS < LIMIT_CLOCK_AGE_MS,
               "an answer may be lost before the last one counts no more");
_Static_assert(LIMIT_CLOCK_SKEW_MS < LIMIT_CLOCK_STEP_MS, "what is believed is no step");
_Static_assert(LIMIT_UNSYNCED_BYTES + LIMIT_PEER_FRAME_BYTES <= LIMIT_LOG_TAIL_BYTES &&
                   LIMIT_INFLIGHT_BYTES + LIMIT_ENTRY_BYTES <= LIMIT_LOG_TAIL_BYTES,
               "what is not synced must fit the tail in memory, for it is nowhere else");
_Static_assert(LIMIT_UNSYNCED_ENTRIES + LIMIT_APPEND_ENTRIES <= LIMIT_LOG_TAIL_ENTRIES,
               "what is not synced must fit the tail in memory, for it is nowhere else");
_Static_assert(LIMIT_INFLIGHT_ENTRIES < LIMIT_LOG_WRITES, "a leader's writes must fit the queue");

#endif
