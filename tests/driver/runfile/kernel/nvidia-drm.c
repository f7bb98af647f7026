#include "nv.h"

extern int nvidia_modeset_register(void);

static int __init start(void)
{
    return nvidia_modeset_register();
}

static void __exit stop(void)
{
}

module_init(start);
module_exit(stop);
