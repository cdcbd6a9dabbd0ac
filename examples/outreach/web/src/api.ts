// Written by `tidewire gen types`. Do not edit: change the configuration and run it again.
export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** The tables, for `createClient<Database>()` of supabase-js. */
export interface Database {
  public: {
    Tables: {
      client_leads: {
        Row: { workspace_id: number | null; workspace_name: string; lead_email: string; bison_lead_id: number | null; first_name: string | null; last_name: string | null; title: string | null; company: string | null; phone: string | null; custom_variables: Json | null; bison_conversation_url: string | null; pipeline_stage: string | null; pipeline_stage_before: string | null; pipeline_position: number | null; lead_value: number | null; notes: string | null; tags: Json | null; created_at: string | null; updated_at: string | null };
        Insert: { workspace_id?: number | null; workspace_name: string; lead_email: string; bison_lead_id?: number | null; first_name?: string | null; last_name?: string | null; title?: string | null; company?: string | null; phone?: string | null; custom_variables?: Json | null; bison_conversation_url?: string | null; pipeline_stage?: string | null; pipeline_stage_before?: string | null; pipeline_position?: number | null; lead_value?: number | null; notes?: string | null; tags?: Json | null; created_at?: string | null; updated_at?: string | null };
        Update: { workspace_id?: number | null; workspace_name?: string; lead_email?: string; bison_lead_id?: number | null; first_name?: string | null; last_name?: string | null; title?: string | null; company?: string | null; phone?: string | null; custom_variables?: Json | null; bison_conversation_url?: string | null; pipeline_stage?: string | null; pipeline_stage_before?: string | null; pipeline_position?: number | null; lead_value?: number | null; notes?: string | null; tags?: Json | null; created_at?: string | null; updated_at?: string | null };
        Relationships: [];
      };
      client_metrics: {
        Row: { workspace_id: number | null; workspace_name: string; metric_type: string; metric_date: string; emails_sent_mtd: number; manual_emails_sent_mtd: number; opens_mtd: number; replies_mtd: number; positive_replies_mtd: number; unsubscribed_mtd: number; bounced_mtd: number; updated_at: string | null; update_source: string | null; last_webhook_update_at: string | null; last_poll_update_at: string | null };
        Insert: { workspace_id?: number | null; workspace_name: string; metric_type: string; metric_date: string; emails_sent_mtd?: number; manual_emails_sent_mtd?: number; opens_mtd?: number; replies_mtd?: number; positive_replies_mtd?: number; unsubscribed_mtd?: number; bounced_mtd?: number; updated_at?: string | null; update_source?: string | null; last_webhook_update_at?: string | null; last_poll_update_at?: string | null };
        Update: { workspace_id?: number | null; workspace_name?: string; metric_type?: string; metric_date?: string; emails_sent_mtd?: number; manual_emails_sent_mtd?: number; opens_mtd?: number; replies_mtd?: number; positive_replies_mtd?: number; unsubscribed_mtd?: number; bounced_mtd?: number; updated_at?: string | null; update_source?: string | null; last_webhook_update_at?: string | null; last_poll_update_at?: string | null };
        Relationships: [];
      };
      webhook_health: {
        Row: { workspace_id: number | null; workspace_name: string; last_webhook_at: string | null; last_poll_at: string | null; webhook_count_24h: number; poll_count_24h: number; health_status: string };
        Insert: { workspace_id?: number | null; workspace_name: string; last_webhook_at?: string | null; last_poll_at?: string | null; webhook_count_24h?: number; poll_count_24h?: number; health_status?: string };
        Update: { workspace_id?: number | null; workspace_name?: string; last_webhook_at?: string | null; last_poll_at?: string | null; webhook_count_24h?: number; poll_count_24h?: number; health_status?: string };
        Relationships: [];
      };
    };
    Views: { [name: string]: never };
    Functions: { [name: string]: never };
  };
}

/** Table → row. */
export interface DB {
  client_leads: Database['public']['Tables']['client_leads']['Row'];
  client_metrics: Database['public']['Tables']['client_metrics']['Row'];
  webhook_health: Database['public']['Tables']['webhook_health']['Row'];
}

/** Named query → its arguments, rows and what identifies a row. */
export interface Api {
  "leads.by_workspace": { args: { workspace: string; limit?: number }; row: { workspace_name: string | null; lead_email: string | null; first_name: string | null; last_name: string | null; title: string | null; company: string | null; pipeline_stage: string | null; pipeline_position: number | null; lead_value: number | null; updated_at: string | null }; rowKey: ["workspace_name", "lead_email"] };
  "leads.by_stage": { args: { workspace: string }; row: { pipeline_stage: string | null; leads: Json; value: Json }; rowKey: ["pipeline_stage"] };
  "metrics.by_workspace": { args: { workspace: string }; row: { workspace_name: string | null; metric_type: string | null; metric_date: string | null; emails_sent_mtd: number | null; opens_mtd: number | null; replies_mtd: number | null; positive_replies_mtd: number | null; unsubscribed_mtd: number | null; bounced_mtd: number | null; updated_at: string | null }; rowKey: ["workspace_name", "metric_type", "metric_date"] };
  "health.all": { args: {}; row: { workspace_name: string | null; health_status: string | null; last_webhook_at: string | null; webhook_count_24h: number | null }; rowKey: ["workspace_name"] };
}
