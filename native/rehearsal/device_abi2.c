#define REHEARSAL_ABI 2
#include "device.h"
