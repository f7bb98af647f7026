#include "nv.h"
STAND_IN_MODULE;
