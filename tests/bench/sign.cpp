// Signs images and attests an SBOM to each, as the daemon does: sign KEY SBOM FORM REFERENCE...
// Prints the seconds for each image. The key is open before, as it is in a daemon that runs.
#include <chrono>
#include <cstdio>

#include "os/file.hpp"
#include "pipeline/signing.hpp"
#include "store/store.hpp"

int main(int count, char** arguments) {
  using namespace lighterman;
  if (count < 5) {
    std::fputs("usage: sign KEY SBOM FORM REFERENCE...\n", stderr);
    return 2;
  }
  const trust::Key key = trust::Key::load(arguments[1], os::read_secret("env:COSIGN_PASSWORD"));
  const std::string sbom = os::read_file(arguments[2], trust::largest_predicate);
  const SignatureForms forms = parse_signature_forms(arguments[3]);
  const os::ScratchFolder scratch;
  store::Store store({scratch.path() / "places.db"});
  registry::Options options;
  options.host = Reference::parse(arguments[4]).host();
  registry::Client client(options, store);
  client.ping({});
  for (int each = 4; each < count; ++each) {
    const auto begun = std::chrono::steady_clock::now();
    const pipeline::Subject subject =
        pipeline::get_subject(client, Reference::parse(arguments[each]), {});
    pipeline::attach(
        subject, {key},
        {pipeline::Assertion::signature(), {std::string(trust::cyclonedx_predicate), sbom, {}}},
        forms, system_now(), {});
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begun;
    std::printf("%.4f\n", took.count());
  }
  return 0;
}
