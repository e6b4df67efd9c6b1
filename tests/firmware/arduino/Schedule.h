#pragma once

#include "Arduino.h"

bool schedule_recurrent_function_us(bool (*function)(), uint32_t repeat_us);
