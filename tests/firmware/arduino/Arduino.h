// As much of the ESP8266's core as the sketch uses, on a clock of our own: calls that wait let the
// scheduled function run, as the core does at each yield.

#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>

enum { LOW = 0, HIGH = 1 };
enum { INPUT = 0, OUTPUT = 1, INPUT_PULLUP = 2 };
// NodeMCU's names for the ESP8266's pins.
enum { D0 = 16, D1 = 5, D2 = 4, D4 = 2, D5 = 14, D6 = 12, D7 = 13 };
enum { A0 = 17 };

uint32_t millis();
void delay(uint32_t ms);
void pinMode(uint8_t pin, uint8_t mode);
int digitalRead(uint8_t pin);
void digitalWrite(uint8_t pin, uint8_t level);
int analogRead(uint8_t pin);

struct SerialPort {
    void begin(unsigned long baud);
    size_t write(const char *bytes, size_t count);
};
extern SerialPort Serial;
