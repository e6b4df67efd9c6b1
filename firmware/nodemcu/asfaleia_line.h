// What a node says on its serial line, and when: everything that is worth testing, without one call
// of Arduino's. C++11, no dynamic memory. `tests/firmware.rs` tries it against the program's parser.
//
//   ASF1 <node> <seq> <uptime-s> <key>=<value>[ <key>=<value>]... *<crc16-hex>\n

#pragma once

#include <stddef.h>
#include <stdint.h>

namespace asfaleia {

// The longest name that the configuration's [[nodemcu]] takes.
constexpr size_t LONGEST_NAME = 40;
// The longest line without the zero behind it, and so less than the 128 bytes that an ESP8266's
// serial port takes without being waited for.
constexpr size_t LONGEST_LINE =
    sizeof "ASF1  4294967295 4294967295 gas=1 raw=1023 beam=1 *FFFF\n" - 1 + LONGEST_NAME;
// From one line to the next, when nothing changes.
constexpr uint32_t PERIOD_MS = 1000;
// A pin has to stay as it is for so long before it counts: longer than a contact bounces, shorter
// than anybody takes to cross a beam.
constexpr uint32_t SETTLE_MS = 30;

namespace detail {

constexpr bool is_letter(char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_';
}

constexpr bool are_letters(const char *text) {
    return *text == '\0' || (is_letter(*text) && are_letters(text + 1));
}

constexpr size_t length(const char *text) {
    return *text == '\0' ? 0 : 1 + length(text + 1);
}

}  // namespace detail

// A name that the configuration takes: 1 to 40 of a-z, 0-9, - and _. For a static_assert.
constexpr bool is_name(const char *name) {
    return *name != '\0' && detail::are_letters(name) && detail::length(name) <= LONGEST_NAME;
}

// What the node senses. `NONE` where it has no such sensor.
struct Readings {
    enum { NONE = -1 };
    int16_t gas = NONE;   // 1 = gas
    int16_t raw = NONE;   // 0 to 1023
    int16_t beam = NONE;  // 1 = broken
};

// CRC-16/CCITT-FALSE: polynomial 0x1021, starts at 0xFFFF, not reflected, nothing added.
inline uint16_t crc16(const char *bytes, size_t count) {
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < count; i++) {
        crc = static_cast<uint16_t>(crc ^ static_cast<uint8_t>(bytes[i]) << 8);
        for (int bit = 0; bit < 8; bit++) {
            const bool carry = (crc & 0x8000) != 0;
            crc = static_cast<uint16_t>(crc << 1);
            if (carry) {
                crc ^= 0x1021;
            }
        }
    }
    return crc;
}

// One line, with its line end.
class Line {
  public:
    // `node` is a name as `is_name` has it; values are in their ranges.
    void write(const char *node, uint32_t seq, uint32_t uptime, const Readings &readings) {
        count_ = 0;
        put("ASF1 ");
        put(node);
        put(" ");
        put(seq);
        put(" ");
        put(uptime);
        put(" gas=", readings.gas);
        put(" raw=", readings.raw);
        put(" beam=", readings.beam);
        const uint16_t crc = crc16(text_, count_);
        put(" *");
        for (int shift = 12; shift >= 0; shift -= 4) {
            put("0123456789ABCDEF"[crc >> shift & 0xF]);
        }
        put("\n");
    }

    // Ends with a zero.
    const char *text() const { return text_; }
    size_t size() const { return count_; }

  private:
    char text_[LONGEST_LINE + 1] = "";
    size_t count_ = 0;

    void put(char c) {
        if (count_ < LONGEST_LINE) {
            text_[count_++] = c;
            text_[count_] = '\0';
        }
    }

    void put(const char *text) {
        while (*text != '\0') {
            put(*text++);
        }
    }

    void put(uint32_t number) {
        if (number > 9) {
            put(number / 10);
        }
        put(static_cast<char>('0' + number % 10));
    }

    void put(const char *key, int16_t value) {
        if (value != Readings::NONE) {
            put(key);
            put(static_cast<uint32_t>(value));
        }
    }
};

// A pin that may bounce. What it shows first counts at once, as a level at the start has to.
class Settled {
  public:
    // Takes what the pin shows, and returns what counts.
    int16_t take(int16_t shown, uint32_t now_ms) {
        if (!begun_ || shown == counts_ || now_ms - since_ >= SETTLE_MS) {
            begun_ = true;
            counts_ = shown;
            since_ = now_ms;
        }
        return counts_;
    }

  private:
    bool begun_ = false;
    int16_t counts_ = Readings::NONE;
    uint32_t since_ = 0;  // When the pin last showed what counts.
};

// Says when something is to be sent: at once at first and on a change, else each second. A change
// does not put the beat off.
class Beat {
  public:
    bool due(uint32_t now_ms, bool changed) {
        const bool beat = !begun_ || now_ms - last_ >= PERIOD_MS;
        if (beat) {
            // After a pause there is one line, and not one for each second that was missed.
            const bool late = !begun_ || now_ms - last_ >= 2 * PERIOD_MS;
            last_ = late ? now_ms : last_ + PERIOD_MS;
            begun_ = true;
        }
        return beat || changed;
    }

  private:
    bool begun_ = false;
    uint32_t last_ = 0;
};

// Everything a node does but touch its pins. `now_ms` is Arduino's millis(), which wraps around
// after 49.7 days: only differences are taken, and seconds are counted here.
class Node {
  public:
    explicit Node(const char *name, uint32_t first_seq = 0) : name_(name), seq_(first_seq) {}

    // Takes what the pins show. The line that has to be sent now, or null. To be called at least
    // each few milliseconds.
    const Line *tick(uint32_t now_ms, const Readings &pins) {
        count_time(now_ms);
        const Readings before = settled_;
        settled_.gas = gas_.take(pins.gas, now_ms);
        settled_.beam = beam_.take(pins.beam, now_ms);
        settled_.raw = pins.raw;
        // `raw` is never still: it goes with the beat.
        const bool changed = settled_.gas != before.gas || settled_.beam != before.beam;
        if (!beat_.due(now_ms, changed)) {
            return nullptr;
        }
        line_.write(name_, seq_++, uptime_, settled_);
        return &line_;
    }

    // What counts now.
    const Readings &readings() const { return settled_; }

    // The lamp is lit: all the time while something is sensed; else it blinks once each second, and
    // twice while the network that it was given is missing.
    bool lamp(bool network_is_missing) const {
        if (settled_.gas == 1 || settled_.beam == 1) {
            return true;
        }
        return into_second_ < 50 ||
               (network_is_missing && into_second_ >= 200 && into_second_ < 250);
    }

  private:
    const char *name_;
    uint32_t seq_;
    uint32_t uptime_ = 0;
    uint32_t into_second_ = 0;
    uint32_t last_tick_ = 0;
    bool begun_ = false;
    Readings settled_;
    Settled gas_;
    Settled beam_;
    Beat beat_;
    Line line_;

    void count_time(uint32_t now_ms) {
        if (begun_) {
            into_second_ += now_ms - last_tick_;
            uptime_ += into_second_ / 1000;
            into_second_ %= 1000;
        }
        begun_ = true;
        last_tick_ = now_ms;
    }
};

}  // namespace asfaleia
