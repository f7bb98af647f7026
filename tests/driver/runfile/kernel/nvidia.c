#include "nv.h"
#include <linux/mm.h>

static int registered;

int nvidia_register_module(int add)
{
    return registered += add;
}
EXPORT_SYMBOL(nvidia_register_module);

#if LINUX_VERSION_CODE >= KERNEL_VERSION(@MAX_MAJOR@, @MAX_MINOR@ + 1, 0)
/* As it was when this version was made: newer kernels have changed the function, and the compiler says so. */
long nv_pin(struct task_struct *task, struct mm_struct *mm, unsigned long start, struct page **pages)
{
    return get_user_pages(task, mm, start, 1, 1, 0, pages, NULL);
}
#endif

static int __init start(void)
{
    return registered;
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
