/* SPDX-License-Identifier: MIT */
/* Stand-in for one of NVIDIA's further modules. It depends on nvidia as they do, so unloading has to mind the order. */
#include <linux/module.h>

int nvidia_stand_in_in_use(void);

static int __init begin(void)
{
	return nvidia_stand_in_in_use();
}

static void __exit end(void)
{
}

module_init(begin);
module_exit(end);
MODULE_LICENSE("NVIDIA");
MODULE_VERSION(STALE_VERSION);
MODULE_DESCRIPTION("Stand-in for one of NVIDIA's modules, for tests without a GPU");
