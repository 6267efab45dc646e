//go:build dpdk

#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_log.h>
#include <rte_version.h>

#include "shim.h"

static int log_fd = -1;
static pthread_mutex_t errors_lock = PTHREAD_MUTEX_INITIALIZER;
static char errors[SN_TEXT];

// DPDK writes one message a call. A line of the pipe is the level as a digit, and the message. The pipe does not block: a
// message that has no room is lost, which is better than a worker that waits.
static ssize_t log_write(void *cookie, const char *text, size_t size)
{
	(void)cookie;
	char line[512];
	int level = rte_log_cur_msg_loglevel();
	if (level < 1 || level > 9)
		level = 9;
	size_t n = size < sizeof(line) - 2 ? size : sizeof(line) - 2;
	line[0] = (char)('0' + level);
	memcpy(line + 1, text, n);
	if (line[n] != '\n')
		line[++n] = '\n';
	if (log_fd >= 0) {
		ssize_t ignored = write(log_fd, line, n + 1);
		(void)ignored;
	}
	if (level <= (int)RTE_LOG_ERR) {
		pthread_mutex_lock(&errors_lock);
		size_t have = strlen(errors);
		if (have + n + 1 < sizeof(errors)) {
			memcpy(errors + have, line + 1, n);
			errors[have + n] = 0;
		}
		pthread_mutex_unlock(&errors_lock);
	}
	return (ssize_t)size;
}

int sn_errors(char *text, int size)
{
	pthread_mutex_lock(&errors_lock);
	snprintf(text, (size_t)size, "%s", errors);
	errors[0] = 0;
	pthread_mutex_unlock(&errors_lock);
	return (int)strlen(text);
}

int sn_eal_init(int argc, char **argv, int log)
{
	log_fd = log;
	cookie_io_functions_t f = {.write = log_write};
	FILE *stream = fopencookie(NULL, "w", f);
	if (stream != NULL) {
		setvbuf(stream, NULL, _IOLBF, 512);
		rte_openlog_stream(stream);
	}
	rte_log_set_global_level(RTE_LOG_WARNING);
	rte_errno = 0;
	if (rte_eal_init(argc, argv) < 0)
		return rte_errno > 0 ? -rte_errno : -EINVAL;
	return 0;
}

int sn_eal_cleanup(void) { return rte_eal_cleanup(); }

int sn_has_hugepages(void) { return rte_eal_has_hugepages(); }

const char *sn_strerror(int err) { return rte_strerror(err < 0 ? -err : err); }

const char *sn_version(void) { return rte_version(); }
