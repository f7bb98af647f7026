/* What the stand-in modules share. Each loads into a kernel and does nothing there. */
#include <linux/module.h>
#include <linux/version.h>
extern int nvidia_register_module(int add);
MODULE_LICENSE("NVIDIA");
MODULE_VERSION(NV_VERSION_STRING);
#define STAND_IN_MODULE \
    static int __init start(void) { return nvidia_register_module(1) < 0; } \
    static void __exit stop(void) { nvidia_register_module(-1); } \
    module_init(start); \
    module_exit(stop)
