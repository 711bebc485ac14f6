/*
 * network_host.c - a network namespace with a TUN device, set up by ioctls: no program is started
 * for it, and nothing is written outside of the namespace.
 *
 * A TUN device carries IP packets, not Ethernet frames: there are no hardware addresses, so there
 * is no ARP whose packets could be lost too, and no broadcast. Its route says that all of
 * 10.77.0.0/24 is behind it. IPv6 is switched off, where the kernel has it.
 *
 * What can fail: no root, no /dev/net/tun, no more namespaces or descriptors.
 */
#include "network_host.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define TUN_DEVICE "/dev/net/tun"
/* What the kernel keeps for the switch, which has to share the processors with the nodes. */
#define QUEUE_PACKETS 4000
#define IPV6_OFF      "/proc/sys/net/ipv6/conf/all/disable_ipv6"

static bool turn_ipv6_off(struct error *error)
{
    int fd = open(IPV6_OFF, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT || error_set(error, "%s: %s", IPV6_OFF, strerror(errno));
    }
    bool ok = write(fd, "1\n", 2) == 2;
    if (!ok) {
        error_set(error, "%s: %s", IPV6_OFF, strerror(errno));
    }
    (void)close(fd);
    return ok;
}

static struct ifreq request_for(const char *device)
{
    struct ifreq request;
    memset(&request, 0, sizeof request);
    snprintf(request.ifr_name, sizeof request.ifr_name, "%s", device);
    return request;
}

static bool set_up(int control, const char *device)
{
    struct ifreq request = request_for(device);
    if (ioctl(control, SIOCGIFFLAGS, &request) != 0) {
        return false;
    }
    request.ifr_flags = (short)(request.ifr_flags | IFF_UP);
    return ioctl(control, SIOCSIFFLAGS, &request) == 0;
}

static bool set_address(int control, unsigned long what, const char *device, const char *address)
{
    struct ifreq request = request_for(device);
    struct sockaddr_in in = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, address, &in.sin_addr) != 1) {
        errno = EINVAL;
        return false;
    }
    memcpy(&request.ifr_addr, &in, sizeof in);
    return ioctl(control, what, &request) == 0;
}

/* The device belongs to the namespace of whoever opens it. */
static bool open_device(struct network_host *host, const char *device, struct error *error)
{
    struct ifreq request = request_for(device);
    host->device_fd = open(TUN_DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
    if (host->device_fd < 0) {
        return error_set(error, "%s: %s", TUN_DEVICE, strerror(errno));
    }
    request.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_VNET_HDR;
    if (ioctl(host->device_fd, TUNSETIFF, &request) != 0 ||
        ioctl(host->device_fd, TUNSETOFFLOAD, (unsigned long)TUN_F_CSUM) != 0) {
        return error_set(error, "can't make the device %s: %s", device, strerror(errno));
    }
    return true;
}

static bool configure(const struct network_host *host, const char *device, uint32_t mtu,
                      struct error *error)
{
    struct ifreq request = request_for(device);
    int control = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (control < 0) {
        return error_set(error, "can't make a socket: %s", strerror(errno));
    }
    request.ifr_mtu = (int)mtu;
    bool ok = ioctl(control, SIOCSIFMTU, &request) == 0;
    request.ifr_qlen = QUEUE_PACKETS;
    ok = ok && ioctl(control, SIOCSIFTXQLEN, &request) == 0 &&
         set_address(control, SIOCSIFADDR, device, host->address) &&
         set_address(control, SIOCSIFNETMASK, device, "255.255.255.0") && set_up(control, device) &&
         set_up(control, "lo");
    if (!ok) {
        error_set(error, "can't give the device %s the address %s: %s", device, host->address,
                  strerror(errno));
    }
    (void)close(control);
    return ok;
}

bool network_host_open(struct network_host *host, uint32_t number, uint32_t mtu,
                       struct error *error)
{
    static const char device[] = "run0";
    *host = (struct network_host){.namespace_fd = -1, .device_fd = -1};
    snprintf(host->address, sizeof host->address, "10.77.0.%u", (unsigned)(uint8_t)number);
    bool ok = false;
    if (unshare(CLONE_NEWNET) != 0) {
        error_set(error, "can't make a network namespace: %s", strerror(errno));
    } else if ((host->namespace_fd = open("/proc/thread-self/ns/net", O_RDONLY | O_CLOEXEC)) < 0) {
        error_set(error, "/proc/thread-self/ns/net: %s", strerror(errno));
    } else {
        ok = turn_ipv6_off(error) && open_device(host, device, error) &&
             configure(host, device, mtu, error);
    }
    if (!ok) {
        network_host_close(host);
        error_wrap(error, "host %s", host->address);
    }
    return ok;
}

void network_host_close(struct network_host *host)
{
    if (host->namespace_fd >= 0) {
        (void)close(host->namespace_fd);
    }
    if (host->device_fd >= 0) {
        (void)close(host->device_fd);
    }
    host->namespace_fd = host->device_fd = -1;
}
