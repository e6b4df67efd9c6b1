//! OUT, now: buzzer and exhaust.
