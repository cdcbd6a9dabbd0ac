#include "app/demo_traffic.h"

#include "crypto/encoding.h"
#include "crypto/hash.h"
#include "json/json.h"
#include "telemetry/log.h"

namespace tw::app {
namespace {

// Leads under way at a time.
constexpr size_t kLeadsMin = 8;
constexpr size_t kLeadsMax = 40;
// The first events come faster, so that a new screen fills.
constexpr uint32_t kEagerEvents = 40;

struct Workspace {
  int64_t id;
  const char* name;
};
constexpr Workspace kWorkspaces[] = {{37, "Northwind"}, {38, "Contoso"}};
constexpr const char* kFirstNames[] = {"Ada",   "Grace", "Alan",  "Edsger", "Barbara", "Ken",
                                       "Radia", "Tim",   "Frances", "Linus", "Margaret", "Niklaus",
                                       "Hedy",  "Claude", "Katherine", "Donald"};
constexpr const char* kLastNames[] = {"Marlow",  "Okafor", "Lindqvist", "Tanaka", "Moreau",
                                      "Ferreira", "Novak", "Castillo", "Haddad", "Bergström",
                                      "Kimura",  "Rossi",  "Dubois",   "Silva",  "Weber"};
constexpr const char* kTitles[] = {"Head of Operations", "VP Sales", "Founder", "CTO",
                                   "Marketing Director", "Procurement Lead"};
constexpr const char* kCompanies[] = {"Harbour Freight Lines", "Bluefin Logistics", "Saltmarsh Foods",
                                      "Meridian Optics", "Kestrel Energy", "Lanternworks",
                                      "Fjord Analytics", "Copperline"};

template <size_t N>
const char* Pick(const char* const (&from)[N], Random& random) {
  return from[random.Below(N)];
}

}  // namespace

DemoProvider::Lead DemoProvider::NewLead() {
  Lead lead;
  lead.id = next_lead_++;
  lead.workspace = static_cast<int64_t>(random_.Below(std::size(kWorkspaces)));
  lead.first_name = Pick(kFirstNames, random_);
  lead.last_name = Pick(kLastNames, random_);
  lead.title = Pick(kTitles, random_);
  lead.company = Pick(kCompanies, random_);
  return lead;
}

std::string DemoProvider::NextEvent() {
  // A few leads at once, so that the first reply comes soon; then now and then a new one.
  if (leads_.size() < kLeadsMin || (leads_.size() < kLeadsMax && random_.Percent(30))) {
    leads_.push_back(NewLead());
    return Write(leads_.back(), "EMAIL_SENT");
  }
  const size_t index = random_.Below(leads_.size());
  Lead& lead = leads_[index];
  const auto finish = [&](std::string_view type) {
    std::string event = Write(lead, type);
    leads_.erase(leads_.begin() + static_cast<ptrdiff_t>(index));
    return event;
  };
  switch (lead.step++) {
    case 0:
      if (random_.Percent(12)) return finish("EMAIL_BOUNCED");
      return Write(lead, "EMAIL_OPENED");
    case 1:
      if (random_.Percent(15)) return finish("CONTACT_UNSUBSCRIBED");
      return Write(lead, "CONTACT_REPLIED");
    case 2: return Write(lead, "MANUAL_EMAIL_SENT");
    default: return finish("LEAD_INTERESTED");
  }
}

std::string DemoProvider::Time(std::chrono::seconds ago) const {
  return FormatTimestampMs(clock_.Wall() - ago);
}

std::string DemoProvider::Write(const Lead& lead, std::string_view type) {
  const Workspace& workspace = kWorkspaces[lead.workspace];
  std::string email = lead.first_name + "." + std::to_string(lead.id) + "@example.com";
  json::Writer w;
  w.Object().Key("event").Object().Key("type").String(type).Key("name").String(type);
  w.Key("instance_url").String("https://outreach.example.com");
  w.Key("workspace_id").Int(workspace.id).Key("workspace_name").String(workspace.name);
  w.Key("timestamp").String(Time(std::chrono::seconds{0})).End();
  w.Key("data").Object();
  w.Key("lead").Object().Key("id").Int(lead.id).Key("email").String(email);
  w.Key("first_name").String(lead.first_name).Key("last_name").String(lead.last_name);
  w.Key("status").String("active").Key("title").String(lead.title);
  w.Key("company").String(lead.company);
  w.Key("custom_variables").Array().Object().Key("name").String("phone");
  w.Key("value").String("+1 555 " + std::to_string(1000 + lead.id % 9000)).End().End().End();
  w.Key("campaign").Object().Key("id").Int(42).Key("name").String("Autumn outreach").End();
  w.Key("sender_email").Object().Key("id").Int(12).Key("email").String("team@example.com");
  w.Key("name").String("Team").End();
  w.Key("scheduled_email").Object().Key("id").Int(next_scheduled_++).End();
  w.Key("email").Object().Key("subject").String("A quick idea for " + lead.company);
  const std::string now = Time(std::chrono::seconds{0});
  w.Key("sent_at").String(now).Key("opened_at").String(now).Key("bounced_at").String(now).End();
  w.Key("reply").Object().Key("id").Int(next_reply_++).Key("uuid").String(random_.Uuid());
  w.Key("date_received").String(now).Key("date_sent").String(now);
  w.Key("from_name").String(lead.first_name + " " + lead.last_name);
  w.Key("from_email_address").String(email).End().End().End();
  return w.Take();
}

DemoTraffic::DemoTraffic(uint16_t port, std::string secret, Clock& clock, Random& random)
    : port_(port),
      secret_(std::move(secret)),
      clock_(clock),
      random_(random),
      provider_(clock, random),
      loop_(clock) {
  loop_.Post([this] { Connect(); });
  thread_ = std::thread([this] { loop_.Run(); });
}

DemoTraffic::~DemoTraffic() {
  loop_.Stop();
  thread_.join();
}

void DemoTraffic::Connect() {
  io::Connect(loop_, "127.0.0.1", port_, [this](Result<std::unique_ptr<io::Stream>> stream) {
    if (!stream.ok()) return SendLater();
    stream_ = std::move(*stream);
    stream_->Start(*this);
    SendNext();
  });
}

void DemoTraffic::SendLater() {
  loop_.timers().Arm<&DemoTraffic::SendNext>(
      next_,
      sent_ < kEagerEvents ? std::chrono::milliseconds{50}
                           : std::chrono::milliseconds{400 + random_.Below(1'000)},
      this);
}

void DemoTraffic::SendNext() {
  if (stream_ == nullptr) return Connect();
  const std::string body = provider_.NextEvent();
  ++sent_;
  const std::string id = "msg_" + random_.Hex(12);
  const std::string timestamp = std::to_string(
      std::chrono::duration_cast<std::chrono::seconds>(clock_.Wall().time_since_epoch()).count());
  // Standard Webhooks: the key is the secret's base64 after its prefix.
  constexpr std::string_view kSecretPrefix = "whsec_";
  const auto key_bytes =
      crypto::DecodeBase64(std::string_view(secret_).substr(kSecretPrefix.size()));
  if (!key_bytes.ok()) {
    telemetry::Log(telemetry::Level::kError, "DemoSecretMalformed",
                   "TIDEWIRE_HOOK_SECRET is no whsec_ secret; the demo traffic stops");
    return;
  }
  const crypto::HmacKey key(crypto::HashAlgorithm::kSha256, *key_bytes);
  const std::string signature =
      crypto::EncodeBase64(key.Mac({id, ".", timestamp, ".", body}).view());
  std::string request = "POST /hooks/outreach/signed HTTP/1.1\r\nHost: 127.0.0.1:" +
                        std::to_string(port_) + "\r\nContent-Type: application/json\r\n" +
                        "webhook-id: " + id + "\r\nwebhook-timestamp: " + timestamp +
                        "\r\nwebhook-signature: v1," + signature +
                        "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n";
  stream_->Send(io::SharedBytes::Join(request, body));
}

size_t DemoTraffic::OnBytes(std::span<char> bytes) {
  std::string_view rest(bytes.data(), bytes.size());
  const http::Progress progress = response_.Feed(rest);
  if (progress != http::Progress::kNeedMore) {
    if (response_.status() != 200) {
      telemetry::Log(telemetry::Level::kWarning, "DemoTrafficRefused",
                     "the demo's own webhook was refused", {{"status", response_.status()}});
    }
    response_.Reset();
    SendLater();
  }
  return bytes.size();
}

void DemoTraffic::OnClosed(io::CloseCause) {
  loop_.Post([this] { stream_ = nullptr; });
  SendLater();
}

}  // namespace tw::app
