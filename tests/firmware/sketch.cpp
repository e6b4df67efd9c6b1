// The sketch, run for two minutes of a made-up clock. Prints what it sends, with the millisecond:
//
//   MS serial LINE
//   MS mqtt TOPIC PAYLOAD
//   MS connect ID
//
//    0 s  the Wi-Fi is there, and the broker takes 5 s for each try, in vain
//   20 s  gas (D1 goes low); 23 s it is over
//   40 s  the beam (D2) is broken; 43 s it is whole
//   60 s  the broker refuses each try at once
//   65 s  the broker answers
//   70 s  gas; 73 s it is over; 75 s the beam is broken; 77 s it is whole
//   80 s  the Wi-Fi is lost, which the connection to the broker notices at 85 s; 90 s it is back
//  110 s  a publish hangs for 4 s

#include "Arduino.h"
#include "Schedule.h"

#include "nodemcu.ino"

SerialPort Serial;
static uint32_t now;
static bool (*scheduled)();

uint32_t millis() { return now; }

void delay(uint32_t ms) {
    for (; ms > 0; ms--) {
        now++;
        scheduled();
    }
}

bool schedule_recurrent_function_us(bool (*function)(), uint32_t) {
    scheduled = function;
    return true;
}

static bool between(uint32_t from_s, uint32_t to_s) {
    return now >= from_s * 1000 && now < to_s * 1000;
}

void pinMode(uint8_t, uint8_t) {}

int digitalRead(uint8_t pin) {
    switch (pin) {
        case D1: return between(20, 23) || between(70, 73) ? LOW : HIGH;
        case D2: return between(40, 43) || between(75, 77) ? LOW : HIGH;
        default: std::printf("%u serial a pin that nothing is wired to\n", now); return HIGH;
    }
}

void digitalWrite(uint8_t, uint8_t) {}

int analogRead(uint8_t) { return between(20, 23) ? 1024 : 312; }

void SerialPort::begin(unsigned long baud) {
    if (baud != 115200) {
        std::printf("0 serial at a wrong speed\n");
    }
}

size_t SerialPort::write(const char *bytes, size_t count) {
    if (count > 1) {
        std::printf("%u serial %.*s", now, static_cast<int>(count), bytes);
    }
    return count;
}

#ifdef WIFI_SSID
Wireless WiFi;

int Wireless::status() { return between(80, 90) ? WL_DISCONNECTED : WL_CONNECTED; }

bool PubSubClient::connected() {
    connected_ = connected_ && !between(85, 90);
    return connected_;
}

bool PubSubClient::connect(const char *id, const char *, const char *) {
    std::printf("%u connect %s\n", now, id);
    const bool answers = now >= 65000;
    delay(now < 60000 ? 5000 : 20);
    return connected_ = answers;
}

bool PubSubClient::publish(const char *topic, const char *payload) {
    std::printf("%u mqtt %s %s\n", now, topic, payload);
    if (between(110, 111)) {
        delay(4000);
    }
    return true;
}
#endif

int main() {
    setup();
    while (now < 120000) {
        loop();
        delay(1);
    }
}
