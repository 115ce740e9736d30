#include "cli/doctor.hpp"

#include <boost/json/array.hpp>
#include <boost/json/serialize.hpp>
#include <iostream>

#include "pipeline/checkup.hpp"

namespace lighterman::cli {

int doctor(const std::filesystem::path& file, Form form) {
  boost::json::array looks;
  bool well = true;
  const auto tell = [&](const Look& look) {
    well = well && look.health != Health::broken;
    if (form == Form::json) {
      looks.push_back(to_json(look));
      return;
    }
    std::cout << render(look.health) << ": " << look.what << ": " << look.seen << '\n';
    if (!look.advice.empty()) std::cout << "    to mend it: " << look.advice << '\n';
    std::cout.flush();
  };
  pipeline::check_up(std::make_shared<const config::Config>(config::load(file)), tell, {});
  if (form == Form::json) {
    std::cout << boost::json::serialize(
                     boost::json::object{{"well", well}, {"looks", std::move(looks)}})
              << '\n';
  } else {
    std::cout << (well ? "pushes can be built and published\n"
                       : "something is broken (above), and pushes will fail\n");
  }
  return well ? 0 : 1;
}

}  // namespace lighterman::cli
