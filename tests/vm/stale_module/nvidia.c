// SPDX-License-Identifier: MIT
/*
 * Stand-in for the NVIDIA kernel module that a GPU host had loaded before its packages were upgraded.
 * Debian's own module of that version would not do: without a GPU no NVIDIA module stays loaded. This one has the
 * names, version, /proc text and character device of the real one, is built by DKMS and really loaded and unloaded.
 * Programs can open /dev/nvidiactl, which keeps it loaded; whatever they ask of it then, it refuses as the real one
 * refuses libraries of another version (EINVAL).
 */
#include <linux/fs.h>
#include <linux/module.h>
#include <linux/proc_fs.h>
#include <linux/seq_file.h>

/* The number that Linux keeps for NVIDIA's devices. */
#define MAJOR_NUMBER 195

int nvidia_stand_in_in_use(void);

/* What the other modules call, so that they depend on this one as NVIDIA's do. */
int nvidia_stand_in_in_use(void)
{
	return 0;
}
EXPORT_SYMBOL(nvidia_stand_in_in_use);

static struct proc_dir_entry *folder;

static int show_version(struct seq_file *out, void *unused)
{
	seq_puts(out, "NVRM version: NVIDIA UNIX x86_64 Kernel Module  " STALE_VERSION "  (stand-in without a GPU)\n");
	return 0;
}

static long refuse(struct file *file, unsigned int request, unsigned long argument)
{
	return -EINVAL;
}

static const struct file_operations device = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = refuse,
};

static int __init begin(void)
{
	int failed = register_chrdev(MAJOR_NUMBER, "nvidia", &device);

	if (failed)
		return failed;
	folder = proc_mkdir("driver/nvidia", NULL);
	if (folder && proc_create_single("version", 0444, folder, show_version))
		return 0;
	proc_remove(folder);
	unregister_chrdev(MAJOR_NUMBER, "nvidia");
	return -ENOMEM;
}

static void __exit end(void)
{
	proc_remove(folder);
	unregister_chrdev(MAJOR_NUMBER, "nvidia");
}

module_init(begin);
module_exit(end);
/* The word by which modinfo tells the proprietary module from the open one. */
MODULE_LICENSE("NVIDIA");
MODULE_VERSION(STALE_VERSION);
MODULE_DESCRIPTION("Stand-in for NVIDIA's module, for tests without a GPU");
