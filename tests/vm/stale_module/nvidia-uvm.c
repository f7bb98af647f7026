// SPDX-License-Identifier: MIT
#include "dependent.h"
