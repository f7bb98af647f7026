#include "nv.h"

int nvidia_modeset_register(void)
{
    return 0;
}
EXPORT_SYMBOL(nvidia_modeset_register);

STAND_IN_MODULE;
