#include "store/tokens.hpp"

#include <boost/json/parse.hpp>
#include <boost/json/serialize.hpp>
#include <boost/json/value_to.hpp>

#include "core/error.hpp"
#include "core/json.hpp"
#include "store/inside.hpp"

namespace lighterman::store {
namespace {

// The columns that token_from reads, in its order.
constexpr std::string_view select_token =
    "SELECT id, name, role, sources, creator, created, expires, used, revoked FROM tokens";

TokenRecord token_from(const Statement& row) {
  TokenRecord token;
  token.id = row.number(0);
  token.name = row.text(1);
  token.role = parse_role(row.text(2));
  token.scope =
      Scope(boost::json::value_to<std::vector<std::string>>(boost::json::parse(row.text(3))));
  token.creator = row.text(4);
  token.created = row.instant(5);
  token.expires = row.find_instant(6);
  token.used = row.find_instant(7);
  token.revoked = row.find_instant(8);
  return token;
}

std::optional<TokenRecord> find_working(Connection& database, const std::string& name) {
  Statement row = database.query(concat(select_token, " WHERE name = ? AND revoked IS NULL"), name);
  if (!row.step()) return {};
  return token_from(row);
}

}  // namespace

std::int64_t Tokens::add(const TokenRecord& token, const std::string& sha256_hex) {
  const std::string sources = boost::json::serialize(json_array(token.scope.sources()));
  return store_.inside().write(Watched::no, [&](Connection& database) {
    if (find_working(database, token.name))
      throw Error(ErrorKind::conflict, concat("there is a token \"", token.name,
                                              "\" already; revoke it first, or choose another "
                                              "name"));
    database.perform(
        "INSERT INTO tokens (name, sha256, role, sources, creator, created, expires)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        token.name, sha256_hex, render(token.role), sources, token.creator, token.created,
        token.expires);
    return database.last_id();
  });
}

std::optional<TokenRecord> Tokens::find(const std::string& sha256_hex) const {
  return store_.inside().readers.with([&](Connection& database) -> std::optional<TokenRecord> {
    Statement row = database.query(concat(select_token, " WHERE sha256 = ?"), sha256_hex);
    if (!row.step()) return {};
    return token_from(row);
  });
}

std::vector<TokenRecord> Tokens::list() const {
  return store_.inside().readers.with([](Connection& database) {
    Statement rows = database.query(concat(select_token, " ORDER BY id"));
    std::vector<TokenRecord> tokens;
    while (rows.step()) tokens.push_back(token_from(rows));
    return tokens;
  });
}

bool Tokens::any() const {
  return store_.inside().readers.with([](Connection& database) {
    Statement row = database.query("SELECT EXISTS (SELECT 1 FROM tokens)");
    return row.step() && row.number(0) != 0;
  });
}

TokenRecord Tokens::revoke(const std::string& name) {
  return store_.inside().write(Watched::no, [&](Connection& database) -> TokenRecord {
    std::optional<TokenRecord> token = find_working(database, name);
    if (!token)
      throw Error(ErrorKind::not_found,
                  concat("there is no token \"", name, "\" to revoke (lighterman token list)"));
    token->revoked = store_.inside().options.clock();
    database.perform("UPDATE tokens SET revoked = ? WHERE id = ?", *token->revoked, token->id);
    return *token;
  });
}

void Tokens::put_used(std::int64_t id, Instant when) {
  store_.inside().writer.perform(
      [&](Connection& database) {
        database.perform("UPDATE tokens SET used = ? WHERE id = ?", when, id);
      },
      Durability::lazy, {});
}

}  // namespace lighterman::store
