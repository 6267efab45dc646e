//go:build dpdk

// Ports of net_ring that are crossed: the vdev of that name only gives back what it is given.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <limits.h>
#include <link.h>
#include <stdio.h>
#include <string.h>

#include <rte_errno.h>
#include <rte_lcore.h>
#include <rte_memory.h>
#include <rte_ring.h>

#include "shim.h"

#define RING_ENTRIES 1024 // one less can be in it

typedef int from_rings(const char *, struct rte_ring *const[], const unsigned int, struct rte_ring *const[], const unsigned int, const unsigned int);

static int driver_path(struct dl_phdr_info *i, size_t size, void *path)
{
	(void)size;
	if (i->dlpi_name == NULL || strstr(i->dlpi_name, "librte_net_ring.so") == NULL)
		return 0;
	snprintf(path, PATH_MAX, "%s", i->dlpi_name);
	return 1;
}

// maker finds the driver's function. The program is not linked with the driver: the environment layer has loaded it.
static from_rings *maker(void)
{
	char path[PATH_MAX] = "";
	void *lib = RTLD_DEFAULT; // where it is linked in
	if (dl_iterate_phdr(driver_path, path) == 1)
		lib = dlopen(path, RTLD_NOW | RTLD_NOLOAD);
	return (from_rings *)dlsym(lib, "rte_eth_from_rings");
}

// sn_rings makes the ports net_ring_A and net_ring_B.
int sn_rings(const char *a, const char *b)
{
	from_rings *make = maker();
	if (make == NULL)
		return -ENOTSUP;
	struct rte_ring *r[2];
	for (int i = 0; i < 2; i++) {
		char name[RTE_RING_NAMESIZE];
		if (snprintf(name, sizeof(name), "snto_%s", i == 0 ? b : a) >= (int)sizeof(name))
			return -ENAMETOOLONG;
		r[i] = rte_ring_create(name, RING_ENTRIES, SOCKET_ID_ANY, 0);
		if (r[i] == NULL)
			return rte_errno > 0 ? -rte_errno : -ENOMEM;
	}
	if (make(a, &r[1], 1, &r[0], 1, rte_socket_id()) < 0 || make(b, &r[0], 1, &r[1], 1, rte_socket_id()) < 0)
		return rte_errno > 0 ? -rte_errno : -EINVAL;
	return 0;
}
