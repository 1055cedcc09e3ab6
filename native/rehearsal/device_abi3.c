#define REHEARSAL_ABI 3
#include "device.h"
