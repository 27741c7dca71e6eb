#include "admin/dashboard.hpp"

#include <string>

#include "mcplb/admin/admin.hpp"

namespace mcplb::admin {

// The same for everybody: what it shows, it asks the API for, with the token if there is one.
wire::Reply Admin::dashboard(const Call&) const {
  wire::Reply reply;
  reply.content_type = "text/html; charset=utf-8";
  reply.fields.emplace_back("Content-Security-Policy", std::string(dashboard_policy));
  reply.fields.emplace_back("X-Content-Type-Options", "nosniff");
  reply.fields.emplace_back("Referrer-Policy", "no-referrer");
  // A newer mcplb brings a newer page.
  reply.fields.emplace_back("Cache-Control", "no-cache");
  reply.body = dashboard_page;
  return reply;
}

}  // namespace mcplb::admin
