// The firmware's protocol on a desk. A word a line on standard input, what comes of it on standard
// output; -1 is a sensor that the node does not have.
//
//   name NAME                          -> 1 if the node takes it, else 0
//   line NAME SEQ UPTIME GAS RAW BEAM  -> the line
//   node NAME FIRST-SEQ                -> (a new node)
//   tick MS GAS RAW BEAM MISSING       -> MS LAMP, and the line if one is sent

#include <cstdio>
#include <cstring>
#include <iostream>
#include <string>

#include "asfaleia_line.h"

static_assert(asfaleia::is_name("kitchen"), "a name can be tested while it is compiled");
static_assert(!asfaleia::is_name("the kitchen"), "and refused");

static asfaleia::Readings readings() {
    asfaleia::Readings readings;
    std::cin >> readings.gas >> readings.raw >> readings.beam;
    return readings;
}

int main() {
    std::ios::sync_with_stdio(false);
    std::string word, name;
    asfaleia::Node node("");
    while (std::cin >> word) {
        if (word == "name") {
            std::getline(std::cin.ignore(), name);
            std::cout << asfaleia::is_name(name.c_str()) << '\n';
        } else if (word == "line") {
            uint32_t seq = 0, uptime = 0;
            std::cin >> name >> seq >> uptime;
            asfaleia::Line line;
            line.write(name.c_str(), seq, uptime, readings());
            if (std::strlen(line.text()) != line.size() || line.size() > asfaleia::LONGEST_LINE) {
                std::cout << "its size is wrong: ";
            }
            std::cout << line.text();
        } else if (word == "node") {
            uint32_t first = 0;
            std::cin >> name >> first;
            node = asfaleia::Node(name.c_str(), first);
        } else if (word == "tick") {
            uint32_t now = 0;
            bool missing = false;
            std::cin >> now;
            const asfaleia::Readings pins = readings();
            std::cin >> missing;
            const asfaleia::Line *line = node.tick(now, pins);
            std::cout << now << ' ' << node.lamp(missing) << ' ' << (line ? line->text() : "\n");
        } else {
            std::cerr << "no such word: " << word << '\n';
            return 1;
        }
    }
}
