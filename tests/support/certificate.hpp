#pragma once

#include <gtest/gtest.h>

#include "core/text.hpp"
#include "os/program.hpp"

namespace lighterman::support {

/// A certificate for 127.0.0.1 that stands for itself, with its key: NAME.crt and NAME.key.
inline void make_certificate(const std::filesystem::path& folder, const std::string& name) {
  const os::Outcome made =
      os::perform({"openssl",
                   {"req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1",
                    "-nodes", "-days", "10", "-subj", concat("/CN=", name), "-addext",
                    "subjectAltName=IP:127.0.0.1", "-keyout", (folder / (name + ".key")).string(),
                    "-out", (folder / (name + ".crt")).string()}});
  ASSERT_EQ(made.exit_code, 0) << made.errors;
}

}  // namespace lighterman::support
